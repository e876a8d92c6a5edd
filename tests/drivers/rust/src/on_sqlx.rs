//! SQLx.

use crate::contract::{Driver, Failure, Outcome, Parameter, Row, Session, Value, Waiting};
use futures_util::future::{select, Either};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnection, PgListener, PgRow};
use sqlx::{Column, Connection, Executor, Row as _, TypeInfo};
use std::time::Duration;

pub struct Sqlx {
    pub dsn: String,
}

pub struct Connected {
    connection: PgConnection,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(said) => Failure::Sql(said.code().unwrap_or_default().into(), said.message().into()),
            None => Failure::Wrong(error.to_string()),
        }
    }
}

fn decoded(row: &PgRow) -> Outcome<Row> {
    let value = |number: usize| -> Outcome<Value> {
        Ok(match row.columns()[number].type_info().name() {
            "BOOL" => row.try_get::<Option<bool>, _>(number)?.map(Value::Bool),
            "INT4" => row
                .try_get::<Option<i32>, _>(number)?
                .map(|found| Value::Int(found.into())),
            "INT8" => row.try_get::<Option<i64>, _>(number)?.map(Value::Int),
            _ => row.try_get::<Option<String>, _>(number)?.map(Value::Text),
        }
        .unwrap_or(Value::Null))
    };
    (0..row.len()).map(value).collect()
}

impl Session for Connected {
    async fn query(&mut self, sql: &str, parameters: &[Parameter]) -> Outcome<Vec<Row>> {
        let mut query = sqlx::query(sql);
        for parameter in parameters {
            query = match parameter {
                Parameter::Int(value) => query.bind(*value),
                Parameter::Text(value) => query.bind(value.clone()),
            };
        }
        let rows = query.fetch_all(&mut self.connection).await?;
        rows.iter().map(decoded).collect()
    }

    async fn begin(&mut self) -> Outcome {
        self.connection.execute("BEGIN").await?;
        Ok(())
    }

    async fn commit(&mut self) -> Outcome {
        self.connection.execute("COMMIT").await?;
        Ok(())
    }

    async fn rollback(&mut self) -> Outcome {
        self.connection.execute("ROLLBACK").await?;
        Ok(())
    }

    async fn close(self) -> Outcome {
        Ok(self.connection.close().await?)
    }
}

impl Driver for Sqlx {
    type Session = Connected;

    async fn open(&self) -> Outcome<Connected> {
        Ok(Connected {
            connection: PgConnection::connect(&self.dsn).await?,
        })
    }

    /// Every statement with parameters is prepared by name and kept in the connection's cache.
    async fn prepared(&self, session: &mut Connected, sql: &str, value: i32) -> Outcome<Row> {
        let row = sqlx::query(sql)
            .bind(value)
            .fetch_one(&mut session.connection)
            .await?;
        decoded(&row)
    }

    /// No pipelining; its batch is several statements in one text.
    async fn batch(&self, session: &mut Connected, numbers: &[i32]) -> Outcome {
        let statements = numbers
            .iter()
            .map(|number| format!("INSERT INTO batch (id) VALUES ({number});"));
        let text = statements.collect::<String>();
        session.connection.execute(sqlx::raw_sql(&text)).await?;
        Ok(())
    }

    async fn copy_in(&self, session: &mut Connected, lines: String) -> Outcome {
        let mut copy = session
            .connection
            .copy_in_raw("COPY copied (id, note) FROM STDIN")
            .await?;
        copy.send(lines.as_bytes()).await?;
        copy.finish().await?;
        Ok(())
    }

    async fn copy_out(&self, session: &mut Connected) -> Outcome<usize> {
        let mut stream = session
            .connection
            .copy_out_raw("COPY copied (id, note) TO STDOUT")
            .await?;
        let mut count = 0;
        while let Some(chunk) = stream.try_next().await? {
            count += chunk.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(count)
    }

    /// No cancel request: the future and its connection are dropped.
    async fn cancelled(&self, mut session: Connected, sql: &str, running: Waiting<'_>) -> Outcome {
        let ended = Box::pin(session.query(sql, &[]));
        match select(ended, running).await {
            Either::Left((Err(error), _)) => Err(error),
            Either::Left((Ok(_), _)) => Err(Failure::Wrong("the statement was not cancelled".into())),
            Either::Right((seen, _)) => seen,
        }
    }

    /// The driver's own listener, which has a connection to itself.
    async fn notified(
        &self,
        session: Connected,
        channel: &str,
        notify: Waiting<'_>,
        patience: Duration,
    ) -> Outcome<Option<String>> {
        session.close().await?;
        let mut listener = PgListener::connect(&self.dsn).await?;
        listener.listen(channel).await?;
        if let Err(Failure::Wrong(message)) = notify.await {
            if message.contains("unexpected message: NotificationResponse") {
                let sign = "the notification goes to another client, which fails on it";
                return Err(Failure::Breaks(sign.into()));
            }
            return Err(Failure::Wrong(message));
        }
        match tokio::time::timeout(patience, listener.recv()).await {
            Ok(found) => Ok(Some(found?.payload().to_string())),
            Err(_) => Ok(None),
        }
    }

    async fn types(&self, session: &mut Connected) -> Outcome {
        macro_rules! same {
            ($name:literal, $type:ty, $value:expr, $literal:literal) => {{
                let value: $type = $value;
                let (name, literal) = ($name, $literal);
                let sql = format!(
                    "SELECT v, v IS NOT DISTINCT FROM {literal}::{name} FROM (SELECT $1::{name} AS v) t"
                );
                let query = sqlx::query(&sql).bind(value.clone());
                let row = query.fetch_one(&mut session.connection).await?;
                if row.try_get::<$type, _>(0)? != value || !row.try_get::<bool, _>(1)? {
                    return Err(Failure::Wrong(format!("{name} came back changed")));
                }
            }};
        }
        let id = uuid::Uuid::from_u128(0x6f9619ff_8b86_d011_b42d_00c04fc964ff);
        same!("int8", i64, i64::MAX, "'9223372036854775807'");
        same!("float8", f64, 0.1, "'0.1'");
        same!("bool", bool, true, "'t'");
        same!(
            "text",
            String,
            "ü€𝄞 'quoted' \\ %".to_string(),
            "'ü€𝄞 ''quoted'' \\ %'"
        );
        same!("bytea", Vec<u8>, vec![0, 1, 255], "'\\x0001ff'");
        same!("uuid", uuid::Uuid, id, "'6f9619ff-8b86-d011-b42d-00c04fc964ff'");
        same!(
            "jsonb",
            serde_json::Value,
            serde_json::json!({"a": [1, null]}),
            "'{\"a\": [1, null]}'"
        );
        same!(
            "int4[]",
            Vec<Option<i32>>,
            vec![Some(1), Some(2), None],
            "'{1,2,NULL}'"
        );
        same!(
            "text[]",
            Vec<String>,
            vec!["a".into(), "b\"c".into(), String::new()],
            "'{a,\"b\\\"c\",\"\"}'"
        );
        same!("text", Option<String>, None, "NULL");
        Ok(())
    }
}
