//! `driver-conformance DRIVER`: {service, lane, dsn} on stdin, one JSON line per check on stdout.

mod checks;
mod contract;
mod on_sqlx;
mod on_tokio_postgres;

use checks::Checks;
use contract::{Driver, Failure};
use serde_json::{json, Value};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90); // for one check; what takes longer hangs

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let asked: Value = serde_json::from_reader(std::io::stdin()).expect("JSON on stdin");
    let text = |key: &str| asked[key].as_str().expect(key).to_string();
    let (service, lane, dsn) = (text("service"), text("lane"), text("dsn"));
    match std::env::args().nth(1).as_deref() {
        Some("tokio_postgres") => run(on_tokio_postgres::TokioPostgres { dsn }, service, lane).await,
        Some("sqlx") => run(on_sqlx::Sqlx { dsn }, service, lane).await,
        other => panic!("no driver {other:?}"),
    }
}

async fn run<D: Driver>(driver: D, service: String, lane: String) {
    let checks = Checks {
        driver,
        service,
        lane,
    };
    for name in checks.names() {
        let (outcome, detail) = match tokio::time::timeout(LIMIT, checks.run(name)).await {
            Err(_) => ("hangs", String::new()),
            Ok(Ok(())) => ("works", String::new()),
            Ok(Err(Failure::Breaks(sign))) => ("breaks", sign),
            Ok(Err(Failure::Sql(state, message))) => ("failed", format!("{state}: {message}")),
            Ok(Err(Failure::Wrong(message))) => ("failed", message),
        };
        println!("{}", json!({"check": name, "outcome": outcome, "detail": detail}));
    }
}
