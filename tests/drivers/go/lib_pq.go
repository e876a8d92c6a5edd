package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"reflect"
	"time"

	"github.com/lib/pq"
)

type libPq struct{ dsn string }

func newLibPq(dsn string) Driver { return libPq{dsn} }

type libPqSession struct {
	db       *sql.DB
	conn     *sql.Conn
	tx       *sql.Tx
	prepared *sql.Stmt
}

// Open gives one connection of a pool of one, as database/sql wants it.
func (d libPq) Open(ctx context.Context) (Session, error) {
	db, err := sql.Open("postgres", d.dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &libPqSession{db: db, conn: conn}, conn.PingContext(ctx)
}

func (s *libPqSession) Query(ctx context.Context, text string, parameters ...any) ([]Row, error) {
	query := s.conn.QueryContext
	if s.tx != nil {
		query = s.tx.QueryContext
	}
	rows, err := query(ctx, text, parameters...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	var found []Row
	for rows.Next() {
		row := make(Row, len(columns))
		targets := make([]any, len(columns))
		for number := range row {
			targets[number] = &row[number]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for number, value := range row {
			if raw, ok := value.([]byte); ok && columns[number].DatabaseTypeName() != "BYTEA" {
				row[number] = string(raw)
			}
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

func (s *libPqSession) Begin(ctx context.Context) (err error) {
	s.tx, err = s.conn.BeginTx(ctx, nil)
	return err
}

func (s *libPqSession) Commit(context.Context) error {
	tx := s.tx
	s.tx = nil
	return tx.Commit()
}

func (s *libPqSession) Rollback(context.Context) error {
	tx := s.tx
	s.tx = nil
	return tx.Rollback()
}

func (s *libPqSession) Close() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	_ = s.conn.Close()
	_ = s.db.Close()
}

func (d libPq) State(err error) string {
	var said *pq.Error
	if errors.As(err, &said) {
		return string(said.Code)
	}
	return ""
}

func (d libPq) Prepared(ctx context.Context, session Session, text string, value int) (Row, error) {
	own := session.(*libPqSession)
	if own.prepared == nil {
		prepared, err := own.conn.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		own.prepared = prepared
	}
	var pid, answer int64
	err := own.prepared.QueryRowContext(ctx, value).Scan(&pid, &answer)
	return Row{pid, answer}, err
}

func (d libPq) Batch(context.Context, Session, []int) error {
	return notOffered("lib/pq has neither pipelining nor batches")
}

func (d libPq) CopyIn(ctx context.Context, session Session, rows [][]any) error {
	own := session.(*libPqSession)
	tx, err := own.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	copying, err := tx.PrepareContext(ctx, pq.CopyIn("copied", "id", "note"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := copying.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	if _, err := copying.ExecContext(ctx); err != nil {
		return err
	}
	if err := copying.Close(); err != nil {
		return err
	}
	return tx.Commit()
}

func (d libPq) CopyOut(context.Context, Session) (int, error) {
	return 0, notOffered("lib/pq has no COPY TO STDOUT")
}

// Listen uses the driver's own Listener, which has a connection to itself.
func (d libPq) Listen(_ context.Context, _ Session, channel string) (func(context.Context) (string, error), error) {
	listener := pq.NewListener(d.dsn, time.Second, time.Minute, nil)
	if err := listener.Listen(channel); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		defer listener.Close()
		select {
		case notification := <-listener.Notify:
			if notification == nil {
				return "", errors.New("the listener has lost its connection")
			}
			return notification.Extra, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}, nil
}

func (d libPq) Types() []Typed {
	same := func(wanted any) func(any) bool {
		return func(found any) bool { return reflect.DeepEqual(found, wanted) }
	}
	when := time.Date(2024, 2, 29, 12, 30, 45, 123456000, time.UTC)
	return []Typed{
		{"int8", int64(9223372036854775807), "'9223372036854775807'", same(int64(9223372036854775807))},
		{"numeric", "12345678901234567890.123456789", "'12345678901234567890.123456789'", same("12345678901234567890.123456789")},
		{"float8", 0.1, "'0.1'", same(0.1)},
		{"bool", true, "'t'", same(true)},
		{"text", `ü€𝄞 'quoted' \ %`, `'ü€𝄞 ''quoted'' \ %'`, same(`ü€𝄞 'quoted' \ %`)},
		{"bytea", []byte{0, 1, 255}, `'\x0001ff'`, func(found any) bool { return bytes.Equal(found.([]byte), []byte{0, 1, 255}) }},
		{"timestamptz", when, "'2024-02-29 12:30:45.123456+00'", func(found any) bool { return when.Equal(found.(time.Time)) }},
		{"uuid", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", same("6f9619ff-8b86-d011-b42d-00c04fc964ff")},
		{"jsonb", `{"a": [1, null]}`, `'{"a": [1, null]}'`, same(`{"a": [1, null]}`)},
		{"int4[]", pq.Int32Array{1, 2}, "'{1,2}'", same("{1,2}")},
		{"text[]", pq.StringArray{"a", `b"c`, ""}, `'{a,"b\"c",""}'`, same(`{a,"b\"c",""}`)},
		{"text", nil, "NULL", same(nil)},
	}
}
