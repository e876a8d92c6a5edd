package main

import "context"

// Row is one row; integers are int64, and text is string.
type Row []any

// Session is one connection. Outside Begin and Commit every statement is a transaction of its own.
type Session interface {
	Query(ctx context.Context, sql string, parameters ...any) ([]Row, error)
	Begin(ctx context.Context) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
	Close()
}

// Driver is a driver by its own idiom; notOffered where it has none.
type Driver interface {
	Open(ctx context.Context) (Session, error)
	// State is the SQLSTATE of an error.
	State(err error) string
	// Prepared is the row of a statement that the driver prepares by name.
	Prepared(ctx context.Context, session Session, sql string, value int) (Row, error)
	// Batch inserts the numbers into table batch without waiting for each.
	Batch(ctx context.Context, session Session, numbers []int) error
	// CopyIn copies rows of id and note into table copied, CopyOut counts what comes out.
	CopyIn(ctx context.Context, session Session, rows [][]any) error
	CopyOut(ctx context.Context, session Session) (int, error)
	// Listen waits for LISTEN to be acknowledged, and gives what waits for the first payload.
	Listen(ctx context.Context, session Session, channel string) (func(context.Context) (string, error), error)
	// Types are the name in SQL, the value as the driver takes it, and the same as an SQL literal.
	Types() []Typed
}

// Typed is one value; Equal compares what came back.
type Typed struct {
	Name    string
	Value   any
	Literal string
	Equal   func(found any) bool
}

// breaks says that the lane does not do what was asked, by the sign that a user would notice.
type breaks string

func (sign breaks) Error() string { return string(sign) }

// notOffered says that the driver has no such thing, by the reason.
type notOffered string

func (reason notOffered) Error() string { return string(reason) }
