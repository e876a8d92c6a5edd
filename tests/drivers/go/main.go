// Command driverconformance DRIVER: {service, lane, dsn} on stdin, one JSON line per check on stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"
)

const limit = 90 * time.Second // for one check; what takes longer hangs

var drivers = map[string]func(dsn string) Driver{"pgx": newPgx, "lib_pq": newLibPq}

func main() {
	var asked struct{ Service, Lane, Dsn string }
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	driver := drivers[os.Args[1]](asked.Dsn)
	answers := json.NewEncoder(os.Stdout)
	for _, check := range (checks{driver, asked.Service, asked.Lane}).all() {
		outcome, detail := ending(check.run)
		if err := answers.Encode(map[string]string{"check": check.name, "outcome": outcome, "detail": detail}); err != nil {
			panic(err)
		}
	}
}

func ending(run func(context.Context) error) (outcome, detail string) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	var sign breaks
	var reason notOffered
	select {
	case err := <-ended:
		switch {
		case err == nil:
			return "works", ""
		case errors.As(err, &sign):
			return "breaks", string(sign)
		case errors.As(err, &reason):
			return "n/a", string(reason)
		}
		return "failed", err.Error()
	case <-time.After(limit):
		return "hangs", ""
	}
}
