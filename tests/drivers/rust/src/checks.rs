//! The checks that every driver goes through; what is particular to a driver is behind `Driver`.

use crate::contract::Parameter::{Int, Text};
use crate::contract::{Driver, Failure, Outcome, Parameter, Row, Session, Value};
use futures_util::future::try_join_all;
use std::collections::HashSet;
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::sleep;

const CLIENTS: i32 = 20;
const ROUNDS: i32 = 25;
const POOL: usize = 2; // backends of the lane's entry; the runner's stack says the same

const BASE: [&str; 8] = [
    "connect",
    "mixed_2000_over_20",
    "prepared_6_each",
    "pipeline_or_batch",
    "copy",
    "transaction_error_retry",
    "cancel",
    "types",
];
const CAVEATS: [&str; 6] = [
    "listen",
    "advisory_lock",
    "temp_table",
    "with_hold",
    "set",
    "sql_prepare",
];

pub struct Checks<D> {
    pub driver: D,
    pub service: String,
    pub lane: String,
}

fn expect<T: PartialEq + Debug>(found: T, wanted: T, what: &str) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    Err(Failure::Wrong(format!("{what}: {found:?} instead of {wanted:?}")))
}

fn wrong<T>(message: &str) -> Outcome<T> {
    Err(Failure::Wrong(message.to_string()))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_string())
}

async fn one(session: &mut impl Session, sql: &str, parameters: &[Parameter]) -> Outcome<Row> {
    let mut rows = session.query(sql, parameters).await?;
    match rows.len() {
        1 => Ok(rows.remove(0)),
        count => wrong(&format!("{count} rows instead of one")),
    }
}

async fn fails(session: &mut impl Session, sql: &str, wanted: &str) -> Outcome {
    match session.query(sql, &[]).await {
        Err(Failure::Sql(state, _)) if state == wanted => Ok(()),
        Err(other) => Err(other),
        Ok(_) => wrong(&format!("no error {wanted}")),
    }
}

impl<D: Driver> Checks<D> {
    pub fn names(&self) -> Vec<&'static str> {
        let base = if self.lane == "transaction" {
            &BASE[..]
        } else {
            &BASE[..1]
        };
        [base, &CAVEATS[..]].concat()
    }

    pub async fn run(&self, name: &str) -> Outcome {
        match name {
            "connect" => self.connect().await,
            "mixed_2000_over_20" => self.mixed().await,
            "prepared_6_each" => self.prepared().await,
            "pipeline_or_batch" => self.batch().await,
            "copy" => self.copy().await,
            "transaction_error_retry" => self.transaction().await,
            "cancel" => self.cancel().await,
            "types" => self.driver.types(&mut self.driver.open().await?).await,
            "listen" => self.listen().await,
            "advisory_lock" => self.advisory_lock().await,
            "temp_table" => {
                let setup = "CREATE TEMPORARY TABLE scratch (id int)";
                self.elsewhere(
                    setup,
                    "SELECT count(*) FROM scratch",
                    Value::Int(0),
                    "another value",
                )
                .await
            }
            "with_hold" => {
                let setup = "DECLARE kept CURSOR WITH HOLD FOR SELECT 7";
                self.elsewhere(setup, "FETCH 1 FROM kept", Value::Int(7), "another value")
                    .await
            }
            "set" => {
                let sign = "the setting is not there";
                self.elsewhere("SET work_mem = '7MB'", "SHOW work_mem", text("7MB"), sign)
                    .await
            }
            "sql_prepare" => {
                let setup = "PREPARE by_hand AS SELECT 7";
                self.elsewhere(setup, "EXECUTE by_hand", Value::Int(7), "another value")
                    .await
            }
            _ => wrong("no such check"),
        }
    }

    async fn open(&self, count: usize) -> Outcome<Vec<D::Session>> {
        try_join_all((0..count).map(|_| self.driver.open())).await
    }

    async fn connect(&self) -> Outcome {
        let mut session = self.driver.open().await?;
        let row = one(
            &mut session,
            "SELECT current_user::text, current_setting('application_name')",
            &[],
        )
        .await?;
        let wanted = vec![text(&self.service), text(&self.service)];
        expect(row, wanted, "role and application_name")?;
        session.close().await
    }

    async fn mixed(&self) -> Outcome {
        let sessions = self.open(CLIENTS as usize).await?;
        let client = |(number, session)| mixed_client(session, number as i32);
        let mut sessions = try_join_all(sessions.into_iter().enumerate().map(client)).await?;
        let row = one(
            &mut sessions[0],
            "SELECT count(*), count(DISTINCT client) FROM mixed",
            &[],
        )
        .await?;
        let wanted = vec![Value::Int((CLIENTS * 13).into()), Value::Int(CLIENTS.into())];
        expect(row, wanted, "rows and clients at the end")?;
        close(sessions).await
    }

    async fn prepared(&self) -> Outcome {
        let sessions = self.open(4 * POOL + 1).await?; // odd: in step they change backends
        let client = |mut session: D::Session| async move {
            let mut met = HashSet::new();
            for value in 0..8 {
                let sql = "SELECT pg_backend_pid(), $1::int + 1 FROM pg_sleep(0.005)";
                let row = self.driver.prepared(&mut session, sql, value).await?;
                expect(
                    &row[1],
                    &Value::Int((value + 1).into()),
                    "answer of the prepared statement",
                )?;
                met.insert(format!("{:?}", row[0]));
            }
            Ok::<_, Failure>((session, met.len()))
        };
        let ended = try_join_all(sessions.into_iter().map(client)).await?;
        if ended.iter().all(|(_, met)| *met < POOL) {
            return wrong("no client has met a second backend, so this shows nothing");
        }
        let mut sessions: Vec<_> = ended.into_iter().map(|(session, _)| session).collect();
        let row = one(
            &mut sessions[0],
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1",
            &[Text("%pg_sleep(0.005)%".into())],
        )
        .await?;
        if row[0] == Value::Int(0) {
            return wrong("the server knows no such prepared statement, so this shows nothing");
        }
        close(sessions).await
    }

    async fn batch(&self) -> Outcome {
        let mut session = self.driver.open().await?;
        let numbers: Vec<i32> = (1..=500).collect();
        self.driver.batch(&mut session, &numbers).await?;
        let row = one(&mut session, "SELECT count(*), sum(id) FROM batch", &[]).await?;
        expect(
            row,
            vec![Value::Int(500), Value::Int(125250)],
            "rows of the batch",
        )?;
        session.close().await
    }

    /// One client copies in, another copies the same rows out.
    async fn copy(&self) -> Outcome {
        let (mut writer, mut reader) = (self.driver.open().await?, self.driver.open().await?);
        let lines: String = (0..1000)
            .map(|number| format!("{number}\ttab\\there {number}\n"))
            .collect();
        self.driver.copy_in(&mut writer, lines).await?;
        expect(self.driver.copy_out(&mut reader).await?, 1000, "rows copied out")?;
        close(vec![writer, reader]).await
    }

    async fn transaction(&self) -> Outcome {
        let (mut mine, mut other) = (self.driver.open().await?, self.driver.open().await?);
        mine.begin().await?;
        fails(
            &mut mine,
            "INSERT INTO accounts (id, balance) VALUES (1, 0)",
            "23505",
        )
        .await?;
        fails(&mut mine, "SELECT 1", "25P02").await?;
        mine.rollback().await?;
        let change = "UPDATE accounts SET balance = balance + 10 WHERE id = 1";
        for attempt in [1, 2] {
            mine.begin().await?;
            mine.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", &[])
                .await?;
            mine.query("SELECT balance FROM accounts WHERE id = 1", &[])
                .await?;
            if attempt == 1 {
                let elsewhere = "UPDATE accounts SET balance = balance + 1 WHERE id = 1";
                other.query(elsewhere, &[]).await?;
                fails(&mut mine, change, "40001").await?;
                mine.rollback().await?;
            } else {
                mine.query(change, &[]).await?;
                mine.commit().await?;
            }
        }
        let row = one(&mut other, "SELECT balance FROM accounts WHERE id = 1", &[]).await?;
        expect(&row[0], &Value::Int(111), "balance after the retry")?;
        mine.close().await?;
        other.close().await
    }

    async fn cancel(&self) -> Outcome {
        let (session, mut observer) = (self.driver.open().await?, self.driver.open().await?);
        let sql = "SELECT 'to be cancelled' FROM pg_sleep(60)";
        self.driver
            .cancelled(session, sql, Box::pin(running(&mut observer, 1)))
            .await?;
        running(&mut observer, 0).await?;
        let mut next = self.driver.open().await?;
        let row = one(&mut next, "SELECT 1", &[]).await?;
        expect(&row[0], &Value::Int(1), "answer after the cancel")?;
        next.close().await?;
        observer.close().await
    }

    async fn listen(&self) -> Outcome {
        let (session, mut other) = (self.driver.open().await?, self.driver.open().await?);
        let channel = format!("channel_{}", self.service);
        let sql = format!("NOTIFY {channel}, 'news'");
        // Until it counts as lost; only where none can come is the wait always this long.
        let patience = Duration::from_secs(if self.lane == "session" { 20 } else { 2 });
        let notify = Box::pin(async { other.query(&sql, &[]).await.map(|_| ()) });
        let found = self.driver.notified(session, &channel, notify, patience).await?;
        other.close().await?;
        match found {
            None => Err(Failure::Breaks("no notification arrives".into())),
            Some(payload) => expect(payload.as_str(), "news", "payload"),
        }
    }

    async fn advisory_lock(&self) -> Outcome {
        let key = format!("(hashtext('{}'), hashtext('{}'))", self.service, self.lane);
        self.elsewhere(
            &format!("SELECT pg_advisory_lock{key}::text"),
            &format!("SELECT pg_advisory_unlock{key}"),
            Value::Bool(true),
            "cannot be unlocked",
        )
        .await
    }

    /// The setup on one backend; the probe while others hold that backend, if the lane lets them.
    async fn elsewhere(&self, setup: &str, probe: &str, wanted: Value, sign: &str) -> Outcome {
        let mut session = self.driver.open().await?;
        session.begin().await?;
        session.query(setup, &[]).await?;
        let mine = one(&mut session, "SELECT pg_backend_pid()", &[]).await?;
        session.commit().await?;
        let mut others = self.open(POOL).await?;
        let mut held = Vec::new();
        for other in &mut others {
            other.begin().await?;
            held.push(one(other, "SELECT pg_backend_pid()", &[]).await?);
        }
        for (other, pid) in others.iter_mut().zip(held) {
            if pid != mine {
                other.rollback().await?;
            }
        }
        let answer = one(&mut session, probe, &[]).await;
        others.push(session);
        close(others).await?;
        match answer {
            Ok(row) if row[0] == wanted => Ok(()),
            Ok(_) => Err(Failure::Breaks(sign.into())),
            Err(Failure::Sql(state, _)) if ["42P01", "34000", "26000"].contains(&state.as_str()) => {
                Err(Failure::Breaks(format!("error {state}")))
            }
            Err(other) => Err(other),
        }
    }
}

async fn close<S: Session>(sessions: Vec<S>) -> Outcome {
    try_join_all(sessions.into_iter().map(Session::close))
        .await
        .map(|_| ())
}

/// Wait until so many of the statements to be cancelled run.
async fn running(observer: &mut impl Session, count: i64) -> Outcome {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1";
    let pattern = [Text("SELECT 'to be cancelled' FROM %".into())];
    while one(observer, sql, &pattern).await?[0] != Value::Int(count) {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn mixed_client<S: Session>(mut session: S, client: i32) -> Outcome<S> {
    let mut kept = 0;
    for round in 1..=ROUNDS {
        let note = format!("note {client}.{round}");
        let here = [Int(client), Int(round)];
        let insert = "INSERT INTO mixed (client, round, note) VALUES ($1, $2, $3)";
        session
            .query(insert, &[Int(client), Int(round), Text(note.clone())])
            .await?;
        let update = "UPDATE mixed SET note = note || $1::text WHERE client = $2 AND round = $3";
        session
            .query(update, &[Text(" changed".into()), Int(client), Int(round)])
            .await?;
        let select = "SELECT note FROM mixed WHERE client = $1 AND round = $2";
        let row = one(&mut session, select, &here).await?;
        expect(&row[0], &text(&format!("{note} changed")), "note")?;
        if round % 2 == 0 {
            let delete = "DELETE FROM mixed WHERE client = $1 AND round = $2";
            session.query(delete, &here).await?;
        } else {
            kept += 1;
            let count = "SELECT count(*) FROM mixed WHERE client = $1";
            let row = one(&mut session, count, &here[..1]).await?;
            expect(&row[0], &Value::Int(kept), "rows of this client")?;
        }
    }
    Ok(session)
}
