// Postgres.js (postgres).
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import postgres from 'postgres'

class Session {
  constructor(sql) {
    this.sql = sql
  }

  async query(text, ...values) {
    const rows = await this.sql.unsafe(text, values).values()
    return rows.map((row) => row.map((value) => (Array.isArray(value) ? [...value] : value)))
  }

  begin() {
    return this.sql.unsafe('BEGIN')
  }

  commit() {
    return this.sql.unsafe('COMMIT')
  }

  rollback() {
    return this.sql.unsafe('ROLLBACK')
  }

  close() {
    return this.sql.end({ timeout: 0 })
  }
}

export default class PostgresJs {
  types = [
    ['int8', '9223372036854775807', "'9223372036854775807'"],
    ['numeric', '12345678901234567890.123456789', "'12345678901234567890.123456789'"],
    ['float8', 0.1, "'0.1'"],
    ['bool', true, "'t'"],
    ['text', "ü€𝄞 'quoted' \\ %", "'ü€𝄞 ''quoted'' \\ %'"],
    ['bytea', Buffer.from([0, 1, 255]), "'\\x0001ff'"],
    ['timestamptz', new Date('2024-02-29T12:30:45.123Z'), "'2024-02-29 12:30:45.123+00'"],
    ['jsonb', { a: [1, null], ü: 'x' }, '\'{"a": [1, null], "ü": "x"}\''],
    ['uuid', '6f9619ff-8b86-d011-b42d-00c04fc964ff', "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"],
    ['int4[]', [1, 2], "'{1,2}'"],
    ['text[]', ['a', 'b"c', ''], '\'{a,"b\\"c",""}\''],
    ['text', null, 'NULL'],
  ]

  constructor(dsn) {
    this.dsn = dsn
  }

  // A pool of one connection is this driver's session.
  async open() {
    const session = new Session(postgres(this.dsn, { max: 1, onnotice: () => {} }))
    await session.query('SELECT 1')
    return session
  }

  state(error) {
    return error.code
  }

  async prepared({ sql }, value) {
    const [row] = await sql`SELECT pg_backend_pid(), ${value}::int + 1 FROM pg_sleep(0.005)`.values()
    return row
  }

  batch({ sql }, numbers) {
    return sql.begin((pipelined) => numbers.map((number) => pipelined`INSERT INTO batch (id) VALUES (${number})`))
  }

  async copyIn({ sql }, rows) {
    const lines = rows.map(([id, note]) => `${id}\t${note.replaceAll('\t', '\\t')}\n`)
    await pipeline(Readable.from(lines), await sql`COPY copied (id, note) FROM STDIN`.writable())
  }

  async copyOut({ sql }) {
    let count = 0
    for await (const chunk of await sql`COPY copied (id, note) TO STDOUT`.readable()) {
      for (const byte of chunk) if (byte === 10) count += 1
    }
    return count
  }

  cancellable({ sql }, text) {
    const query = sql.unsafe(text)
    return { ended: query.execute(), cancel: async () => query.cancel() }
  }

  // LISTEN has a connection of its own, which the session's end closes too.
  listen({ sql }, channel) {
    let ready
    const first = new Promise((resolve) => {
      ready = sql.listen(channel, resolve)
    })
    return { ready, first }
  }
}
