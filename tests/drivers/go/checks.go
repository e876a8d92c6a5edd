package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

const (
	clients = 20
	rounds  = 25
	pool    = 2 // backends of the lane's entry; the runner's stack says the same
)

// patience is the time until a notification counts as lost; only where none can come is the wait always this long.
var patience = map[string]time.Duration{"transaction": 2 * time.Second, "session": 20 * time.Second}

type checks struct {
	driver        Driver
	service, lane string
}

type check struct {
	name string
	run  func(context.Context) error
}

func (c checks) all() []check {
	key := fmt.Sprintf("(hashtext('%s'), hashtext('%s'))", c.service, c.lane)
	base := []check{
		{"connect", c.connect},
		{"mixed_2000_over_20", c.mixed2000},
		{"prepared_6_each", c.prepared},
		{"pipeline_or_batch", c.batch},
		{"copy", c.copy},
		{"transaction_error_retry", c.transaction},
		{"cancel", c.cancel},
		{"types", c.types},
	}
	caveats := []check{
		{"listen", c.listen},
		{"advisory_lock", c.elsewhere("SELECT pg_advisory_lock"+key+"::text", "SELECT pg_advisory_unlock"+key, true, "cannot be unlocked")},
		{"temp_table", c.elsewhere("CREATE TEMPORARY TABLE scratch (id int)", "SELECT count(*) FROM scratch", int64(0), "another value")},
		{"with_hold", c.elsewhere("DECLARE kept CURSOR WITH HOLD FOR SELECT 7", "FETCH 1 FROM kept", int64(7), "another value")},
		{"set", c.elsewhere("SET work_mem = '7MB'", "SHOW work_mem", "7MB", "the setting is not there")},
		{"sql_prepare", c.elsewhere("PREPARE by_hand AS SELECT 7", "EXECUTE by_hand", int64(7), "another value")},
	}
	if c.lane == "transaction" {
		return append(base, caveats...)
	}
	return append(base[:1:1], caveats...)
}

func expect(found, wanted any, what string) error {
	if !reflect.DeepEqual(found, wanted) {
		return fmt.Errorf("%s: %v instead of %v", what, found, wanted)
	}
	return nil
}

// one is the only row, compared unless wanted is nil.
func one(ctx context.Context, session Session, wanted Row, what, sql string, parameters ...any) (Row, error) {
	rows, err := session.Query(ctx, sql, parameters...)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%s: %d rows", what, len(rows))
	}
	if wanted == nil {
		return rows[0], nil
	}
	return rows[0], expect(rows[0], wanted, what)
}

func (c checks) open(ctx context.Context, count int) ([]Session, error) {
	var sessions []Session
	for range count {
		session, err := c.driver.Open(ctx)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, session)
	}
	return sessions, nil
}

func closeAll(sessions []Session) {
	for _, session := range sessions {
		session.Close()
	}
}

// each runs the function for every session at once and gives the first error.
func each(sessions []Session, run func(number int, session Session) error) error {
	errs := make(chan error)
	for number, session := range sessions {
		go func() { errs <- run(number, session) }()
	}
	var first error
	for range sessions {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c checks) connect(ctx context.Context) error {
	session, err := c.driver.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	_, err = one(ctx, session, Row{c.service, c.service}, "role and application_name",
		"SELECT current_user::text, current_setting('application_name')")
	return err
}

func (c checks) mixed2000(ctx context.Context) error {
	sessions, err := c.open(ctx, clients)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	if err := each(sessions, func(number int, session Session) error { return mixed(ctx, session, number) }); err != nil {
		return err
	}
	_, err = one(ctx, sessions[0], Row{int64(clients * 13), int64(clients)}, "rows and clients at the end",
		"SELECT count(*), count(DISTINCT client) FROM mixed")
	return err
}

func mixed(ctx context.Context, session Session, client int) error {
	kept := 0
	for round := 1; round <= rounds; round++ {
		note := fmt.Sprintf("note %d.%d", client, round)
		if _, err := session.Query(ctx, "INSERT INTO mixed (client, round, note) VALUES ($1, $2, $3)", client, round, note); err != nil {
			return err
		}
		if _, err := session.Query(ctx, "UPDATE mixed SET note = note || $1::text WHERE client = $2 AND round = $3", " changed", client, round); err != nil {
			return err
		}
		if _, err := one(ctx, session, Row{note + " changed"}, "note",
			"SELECT note FROM mixed WHERE client = $1 AND round = $2", client, round); err != nil {
			return err
		}
		var err error
		if round%2 == 0 {
			_, err = session.Query(ctx, "DELETE FROM mixed WHERE client = $1 AND round = $2", client, round)
		} else {
			kept++
			_, err = one(ctx, session, Row{int64(kept)}, "rows of this client",
				"SELECT count(*) FROM mixed WHERE client = $1", client)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c checks) prepared(ctx context.Context) error {
	sessions, err := c.open(ctx, 4*pool+1) // odd: in step they change backends
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	met := make([]map[any]bool, len(sessions))
	err = each(sessions, func(number int, session Session) error {
		met[number] = map[any]bool{}
		for value := range 8 {
			row, err := c.driver.Prepared(ctx, session, "SELECT pg_backend_pid(), $1::int + 1 FROM pg_sleep(0.005)", value)
			if err != nil {
				return err
			}
			if err := expect(row[1], int64(value+1), "answer of the prepared statement"); err != nil {
				return err
			}
			met[number][row[0]] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(met, func(pids map[any]bool) bool { return len(pids) >= pool }) {
		return errors.New("no client has met a second backend, so this shows nothing")
	}
	row, err := one(ctx, sessions[0], nil, "prepared statements",
		"SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1", "%pg_sleep(0.005)%")
	if err == nil && row[0] == int64(0) {
		return errors.New("the server knows no such prepared statement, so this shows nothing")
	}
	return err
}

func (c checks) batch(ctx context.Context) error {
	session, err := c.driver.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	var numbers []int
	for number := range 500 {
		numbers = append(numbers, number+1)
	}
	if err := c.driver.Batch(ctx, session, numbers); err != nil {
		return err
	}
	_, err = one(ctx, session, Row{int64(500), int64(125250)}, "rows of the batch", "SELECT count(*), sum(id) FROM batch")
	return err
}

// copy copies in as one client, and the same rows out as another.
func (c checks) copy(ctx context.Context) error {
	sessions, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	var rows [][]any
	for number := range 1000 {
		rows = append(rows, []any{number, fmt.Sprintf("tab\there %d", number)})
	}
	if err := c.driver.CopyIn(ctx, sessions[0], rows); err != nil {
		return err
	}
	count, err := c.driver.CopyOut(ctx, sessions[1])
	var none notOffered
	if errors.As(err, &none) {
		_, err = one(ctx, sessions[1], Row{int64(1000)}, "rows copied in", "SELECT count(*) FROM copied")
		return err
	}
	if err != nil {
		return err
	}
	return expect(count, 1000, "rows copied out")
}

func (c checks) transaction(ctx context.Context) error {
	sessions, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	mine, other := sessions[0], sessions[1]
	const change = "UPDATE accounts SET balance = balance + 10 WHERE id = 1"
	if err := inOrder(
		func() error { return mine.Begin(ctx) },
		func() error { return c.fails(ctx, mine, "INSERT INTO accounts (id, balance) VALUES (1, 0)", "23505") },
		func() error { return c.fails(ctx, mine, "SELECT 1", "25P02") },
		func() error { return mine.Rollback(ctx) },
		func() error { return repeatableRead(ctx, mine) },
		func() error { return run(ctx, other, "UPDATE accounts SET balance = balance + 1 WHERE id = 1") },
		func() error { return c.fails(ctx, mine, change, "40001") },
		func() error { return mine.Rollback(ctx) },
		func() error { return repeatableRead(ctx, mine) },
		func() error { return run(ctx, mine, change) },
		func() error { return mine.Commit(ctx) },
	); err != nil {
		return err
	}
	_, err = one(ctx, other, Row{int64(111)}, "balance after the retry", "SELECT balance FROM accounts WHERE id = 1")
	return err
}

func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, session Session, sql string) error {
	_, err := session.Query(ctx, sql)
	return err
}

func repeatableRead(ctx context.Context, session Session) error {
	return inOrder(
		func() error { return session.Begin(ctx) },
		func() error { return run(ctx, session, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") },
		func() error { return run(ctx, session, "SELECT balance FROM accounts WHERE id = 1") },
	)
}

func (c checks) fails(ctx context.Context, session Session, sql, state string) error {
	err := run(ctx, session, sql)
	if err == nil {
		return fmt.Errorf("no error %s", state)
	}
	if c.driver.State(err) != state {
		return err
	}
	return nil
}

// cancel is both drivers' own way: the context of the statement ends.
func (c checks) cancel(ctx context.Context) error {
	sessions, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	session, observer := sessions[0], sessions[1]
	until := func(count int64) error {
		for {
			row, err := one(ctx, observer, nil, "running statements",
				"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1", "SELECT 'to be cancelled' FROM %")
			if err != nil || row[0] == count {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	statement, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(statement, session, "SELECT 'to be cancelled' FROM pg_sleep(60)") }()
	if err := until(1); err != nil {
		return err
	}
	stop()
	err = <-ended
	if !errors.Is(err, context.Canceled) && c.driver.State(err) != "57014" {
		return fmt.Errorf("the statement was not cancelled: %w", err)
	}
	if err := until(0); err != nil {
		return err
	}
	next, err := c.driver.Open(ctx) // a cancelled context may close its connection: pools replace it
	if err != nil {
		return err
	}
	defer next.Close()
	_, err = one(ctx, next, Row{int64(1)}, "answer after the cancel", "SELECT 1")
	return err
}

func (c checks) types(ctx context.Context) error {
	session, err := c.driver.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	for _, typed := range c.driver.Types() {
		sql := fmt.Sprintf("SELECT v, v IS NOT DISTINCT FROM %s::%s FROM (SELECT $1::%s AS v) t", typed.Literal, typed.Name, typed.Name)
		row, err := one(ctx, session, nil, typed.Name, sql, typed.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", typed.Name, err)
		}
		if !typed.Equal(row[0]) || row[1] != true {
			return fmt.Errorf("%s: %v (%T) instead of %v, equal on the server: %v", typed.Name, row[0], row[0], typed.Value, row[1])
		}
	}
	return nil
}

func (c checks) listen(ctx context.Context) error {
	sessions, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer closeAll(sessions)
	channel := "channel_" + c.service
	notified, err := c.driver.Listen(ctx, sessions[0], channel)
	if err != nil {
		return err
	}
	if err := run(ctx, sessions[1], "NOTIFY "+channel+", 'news'"); err != nil {
		return err
	}
	waiting, stop := context.WithTimeout(ctx, patience[c.lane])
	defer stop()
	payload, err := notified(waiting)
	switch {
	case err == nil:
		return expect(payload, "news", "payload")
	case waiting.Err() != nil:
		return breaks("no notification arrives")
	}
	return err
}

// elsewhere runs the setup on one backend, and the probe while others hold that backend, if the lane lets them.
func (c checks) elsewhere(setup, probe string, wanted any, sign string) func(context.Context) error {
	return func(ctx context.Context) error {
		sessions, err := c.open(ctx, 1+pool)
		if err != nil {
			return err
		}
		defer closeAll(sessions)
		session, others := sessions[0], sessions[1:]
		var mine Row
		if err := inOrder(
			func() error { return session.Begin(ctx) },
			func() error { return run(ctx, session, setup) },
			func() (err error) {
				mine, err = one(ctx, session, nil, "pid", "SELECT pg_backend_pid()")
				return err
			},
			func() error { return session.Commit(ctx) },
		); err != nil {
			return err
		}
		held := make([]Row, len(others))
		for number, other := range others {
			if err := other.Begin(ctx); err != nil {
				return err
			}
			if held[number], err = one(ctx, other, nil, "pid", "SELECT pg_backend_pid()"); err != nil {
				return err
			}
		}
		for number, other := range others {
			if held[number][0] != mine[0] {
				if err := other.Rollback(ctx); err != nil {
					return err
				}
			}
		}
		row, err := one(ctx, session, nil, "probe", probe)
		if err != nil {
			if state := c.driver.State(err); slices.Contains([]string{"42P01", "34000", "26000"}, state) {
				return breaks("error " + state)
			}
			return err
		}
		if row[0] != wanted {
			return breaks(sign)
		}
		return nil
	}
}
