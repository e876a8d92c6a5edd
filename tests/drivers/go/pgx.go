package main

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

type pgxDriver struct{ dsn string }

func newPgx(dsn string) Driver { return pgxDriver{dsn} }

type pgxSession struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

func (d pgxDriver) Open(ctx context.Context) (Session, error) {
	conn, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		return nil, err
	}
	return &pgxSession{conn: conn}, nil
}

func (s *pgxSession) Query(ctx context.Context, sql string, parameters ...any) ([]Row, error) {
	rows, err := s.conn.Query(ctx, sql, parameters...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Row, error) {
		values, err := row.Values()
		for number, value := range values {
			switch value := value.(type) {
			case int32:
				values[number] = int64(value)
			case pgtype.Numeric:
				if value.Valid && value.Exp >= 0 {
					whole, err := value.Int64Value()
					if err != nil {
						return nil, err
					}
					values[number] = whole.Int64
				}
			}
		}
		return values, err
	})
}

func (s *pgxSession) Begin(ctx context.Context) (err error) {
	s.tx, err = s.conn.Begin(ctx)
	return err
}

func (s *pgxSession) Commit(ctx context.Context) error   { return s.tx.Commit(ctx) }
func (s *pgxSession) Rollback(ctx context.Context) error { return s.tx.Rollback(ctx) }
func (s *pgxSession) Close()                             { _ = s.conn.Close(context.Background()) }

func (d pgxDriver) State(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

func (d pgxDriver) Prepared(ctx context.Context, session Session, sql string, value int) (Row, error) {
	conn := session.(*pgxSession).conn
	if _, err := conn.Prepare(ctx, "plus_one", sql); err != nil { // known by its name from then on
		return nil, err
	}
	var pid, answer int64
	err := conn.QueryRow(ctx, "plus_one", value).Scan(&pid, &answer)
	return Row{pid, answer}, err
}

func (d pgxDriver) Batch(ctx context.Context, session Session, numbers []int) error {
	batch := &pgx.Batch{}
	for _, number := range numbers {
		batch.Queue("INSERT INTO batch (id) VALUES ($1)", number)
	}
	return session.(*pgxSession).conn.SendBatch(ctx, batch).Close()
}

func (d pgxDriver) CopyIn(ctx context.Context, session Session, rows [][]any) error {
	_, err := session.(*pgxSession).conn.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "note"}, pgx.CopyFromRows(rows))
	return err
}

func (d pgxDriver) CopyOut(ctx context.Context, session Session) (int, error) {
	var out bytes.Buffer
	_, err := session.(*pgxSession).conn.PgConn().CopyTo(ctx, &out, "COPY copied (id, note) TO STDOUT")
	return bytes.Count(out.Bytes(), []byte("\n")), err
}

func (d pgxDriver) Listen(ctx context.Context, session Session, channel string) (func(context.Context) (string, error), error) {
	conn := session.(*pgxSession).conn
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		notification, err := conn.WaitForNotification(ctx)
		if err != nil {
			return "", err
		}
		return notification.Payload, nil
	}, nil
}

func (d pgxDriver) Types() []Typed {
	same := func(wanted any) func(any) bool {
		return func(found any) bool { return reflect.DeepEqual(found, wanted) }
	}
	digits, _ := new(big.Int).SetString("12345678901234567890123456789", 10)
	numeric := pgtype.Numeric{Int: digits, Exp: -9, Valid: true}
	when := time.Date(2024, 2, 29, 12, 30, 45, 123456000, time.UTC)
	id := [16]byte{0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0, 0xc0, 0x4f, 0xc9, 0x64, 0xff}
	return []Typed{
		{"int8", int64(9223372036854775807), "'9223372036854775807'", same(int64(9223372036854775807))},
		{"numeric", numeric, "'12345678901234567890.123456789'", same(numeric)},
		{"float8", 0.1, "'0.1'", same(0.1)},
		{"bool", true, "'t'", same(true)},
		{"text", `ü€𝄞 'quoted' \ %`, `'ü€𝄞 ''quoted'' \ %'`, same(`ü€𝄞 'quoted' \ %`)},
		{"bytea", []byte{0, 1, 255}, `'\x0001ff'`, same([]byte{0, 1, 255})},
		{"timestamptz", when, "'2024-02-29 12:30:45.123456+00'", func(found any) bool { return when.Equal(found.(time.Time)) }},
		{"uuid", id, "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", same(id)},
		{"jsonb", map[string]any{"a": []any{1.0, nil}}, `'{"a": [1, null]}'`, same(map[string]any{"a": []any{1.0, nil}})},
		{"int4[]", []int32{1, 2}, "'{1,2}'", same([]any{int32(1), int32(2)})},
		{"text[]", []string{"a", `b"c`, ""}, `'{a,"b\"c",""}'`, same([]any{"a", `b"c`, ""})},
		{"text", nil, "NULL", same(nil)},
	}
}
