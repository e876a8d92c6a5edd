//! tokio-postgres.

use crate::contract::{Driver, Failure, Outcome, Parameter, Row, Session, Value, Waiting};
use futures_util::future::{poll_fn, try_join, try_join_all};
use futures_util::{pin_mut, SinkExt, TryStreamExt};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};

pub struct TokioPostgres {
    pub dsn: String,
}

pub struct Connected {
    client: Client,
    notifications: UnboundedReceiver<String>,
    prepared: Option<Statement>,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => Failure::Sql(said.code().code().into(), said.message().into()),
            None => Failure::Wrong(error.to_string()),
        }
    }
}

fn decoded(row: &tokio_postgres::Row) -> Outcome<Row> {
    let value = |number: usize| -> Outcome<Value> {
        Ok(match *row.columns()[number].type_() {
            Type::BOOL => row.try_get::<_, Option<bool>>(number)?.map(Value::Bool),
            Type::INT4 => row
                .try_get::<_, Option<i32>>(number)?
                .map(|found| Value::Int(found.into())),
            Type::INT8 => row.try_get::<_, Option<i64>>(number)?.map(Value::Int),
            _ => row.try_get::<_, Option<String>>(number)?.map(Value::Text),
        }
        .unwrap_or(Value::Null))
    };
    (0..row.len()).map(value).collect()
}

impl Session for Connected {
    async fn query(&mut self, sql: &str, parameters: &[Parameter]) -> Outcome<Vec<Row>> {
        let passed = parameters.iter().map(|parameter| match parameter {
            Parameter::Int(value) => value as &(dyn ToSql + Sync),
            Parameter::Text(value) => value,
        });
        let rows = self.client.query(sql, &passed.collect::<Vec<_>>()).await?;
        rows.iter().map(decoded).collect()
    }

    async fn begin(&mut self) -> Outcome {
        Ok(self.client.batch_execute("BEGIN").await?)
    }

    async fn commit(&mut self) -> Outcome {
        Ok(self.client.batch_execute("COMMIT").await?)
    }

    async fn rollback(&mut self) -> Outcome {
        Ok(self.client.batch_execute("ROLLBACK").await?)
    }

    async fn close(self) -> Outcome {
        Ok(()) // dropping the client ends its connection
    }
}

impl Driver for TokioPostgres {
    type Session = Connected;

    async fn open(&self) -> Outcome<Connected> {
        let (client, mut connection) = tokio_postgres::connect(&self.dsn, NoTls).await?;
        let (sender, notifications) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(said) = message {
                    let _ = sender.send(said.payload().to_string());
                }
            }
        });
        Ok(Connected {
            client,
            notifications,
            prepared: None,
        })
    }

    async fn prepared(&self, session: &mut Connected, sql: &str, value: i32) -> Outcome<Row> {
        if session.prepared.is_none() {
            session.prepared = Some(session.client.prepare(sql).await?);
        }
        let statement = session.prepared.as_ref().expect("prepared above");
        decoded(&session.client.query_one(statement, &[&value]).await?)
    }

    /// Futures that are polled together are pipelined.
    async fn batch(&self, session: &mut Connected, numbers: &[i32]) -> Outcome {
        let insert = session
            .client
            .prepare("INSERT INTO batch (id) VALUES ($1)")
            .await?;
        let (client, insert) = (&session.client, &insert);
        let each = numbers
            .iter()
            .map(|number| async move { client.execute(insert, &[number]).await });
        try_join_all(each).await?;
        Ok(())
    }

    async fn copy_in(&self, session: &mut Connected, lines: String) -> Outcome {
        let sink = session
            .client
            .copy_in("COPY copied (id, note) FROM STDIN")
            .await?;
        pin_mut!(sink);
        sink.send(bytes::Bytes::from(lines)).await?;
        sink.finish().await?;
        Ok(())
    }

    async fn copy_out(&self, session: &mut Connected) -> Outcome<usize> {
        let stream = session
            .client
            .copy_out("COPY copied (id, note) TO STDOUT")
            .await?;
        pin_mut!(stream);
        let mut count = 0;
        while let Some(chunk) = stream.try_next().await? {
            count += chunk.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(count)
    }

    async fn cancelled(&self, mut session: Connected, sql: &str, running: Waiting<'_>) -> Outcome {
        let token = session.client.cancel_token();
        let cancel = async {
            running.await?;
            Ok(token.cancel_query(NoTls).await?)
        };
        let ended = async {
            match session.query(sql, &[]).await {
                Err(Failure::Sql(state, _)) if state == "57014" => Ok(()),
                Err(other) => Err(other),
                Ok(_) => Err(Failure::Wrong("the statement was not cancelled".into())),
            }
        };
        try_join(ended, cancel).await?;
        session.query("SELECT 1", &[]).await.map(|_| ())
    }

    async fn notified(
        &self,
        mut session: Connected,
        channel: &str,
        notify: Waiting<'_>,
        patience: Duration,
    ) -> Outcome<Option<String>> {
        session.client.batch_execute(&format!("LISTEN {channel}")).await?;
        notify.await?;
        let first = tokio::time::timeout(patience, session.notifications.recv());
        Ok(first.await.unwrap_or(None))
    }

    async fn types(&self, session: &mut Connected) -> Outcome {
        macro_rules! same {
            ($name:literal, $type:ty, $value:expr, $literal:literal) => {{
                let value: $type = $value;
                let (name, literal) = ($name, $literal);
                let sql = format!(
                    "SELECT v, v IS NOT DISTINCT FROM {literal}::{name} FROM (SELECT $1::{name} AS v) t"
                );
                let row = session.client.query_one(&sql, &[&value]).await?;
                if row.try_get::<_, $type>(0)? != value || !row.try_get::<_, bool>(1)? {
                    return Err(Failure::Wrong(format!("{name} came back changed")));
                }
            }};
        }
        let id = uuid::Uuid::from_u128(0x6f9619ff_8b86_d011_b42d_00c04fc964ff);
        let when = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_209_845_123_456);
        same!("int8", i64, i64::MAX, "'9223372036854775807'");
        same!("float8", f64, 0.1, "'0.1'");
        same!("bool", bool, true, "'t'");
        same!(
            "text",
            String,
            "ü€𝄞 'quoted' \\ %".into(),
            "'ü€𝄞 ''quoted'' \\ %'"
        );
        same!("bytea", Vec<u8>, vec![0, 1, 255], "'\\x0001ff'");
        same!("timestamptz", SystemTime, when, "'2024-02-29 12:30:45.123456+00'");
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
