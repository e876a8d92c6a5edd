//! What a driver has to offer to the checks, and the ways in which a check can end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

pub type Row = Vec<Value>;

#[derive(Clone)]
pub enum Parameter {
    Int(i32),
    Text(String),
}

#[derive(Debug)]
pub enum Failure {
    /// The lane does not do what was asked; the sign by which a user would notice.
    Breaks(String),
    /// SQLSTATE and message.
    Sql(String, String),
    /// An answer that no lane may give.
    Wrong(String),
}

pub type Outcome<T = ()> = Result<T, Failure>;
pub type Waiting<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One connection. Outside `begin` … `commit` every statement is a transaction of its own.
pub trait Session {
    async fn query(&mut self, sql: &str, parameters: &[Parameter]) -> Outcome<Vec<Row>>;
    async fn begin(&mut self) -> Outcome;
    async fn commit(&mut self) -> Outcome;
    async fn rollback(&mut self) -> Outcome;
    async fn close(self) -> Outcome;
}

/// A driver by its own idiom.
pub trait Driver {
    type Session: Session;

    /// A new connection from the DSN alone.
    async fn open(&self) -> Outcome<Self::Session>;
    /// Row of a statement that the driver prepares by name.
    async fn prepared(&self, session: &mut Self::Session, sql: &str, value: i32) -> Outcome<Row>;
    /// Insert the numbers into `batch` without waiting for each.
    async fn batch(&self, session: &mut Self::Session, numbers: &[i32]) -> Outcome;
    /// COPY the lines into `copied`.
    async fn copy_in(&self, session: &mut Self::Session, lines: String) -> Outcome;
    /// Number of rows that COPY from `copied` gives.
    async fn copy_out(&self, session: &mut Self::Session) -> Outcome<usize>;
    /// Run the statement and cancel it once `running` is over.
    async fn cancelled(&self, session: Self::Session, sql: &str, running: Waiting<'_>) -> Outcome;
    /// LISTEN, then `notify`, then the payload of what arrives within `patience`.
    async fn notified(
        &self,
        session: Self::Session,
        channel: &str,
        notify: Waiting<'_>,
        patience: Duration,
    ) -> Outcome<Option<String>>;
    /// Every type out and back, each compared here and on the server.
    async fn types(&self, session: &mut Self::Session) -> Outcome;
}
