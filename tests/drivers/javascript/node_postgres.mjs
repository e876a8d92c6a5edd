// node-postgres (pg), with pg-copy-streams.
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import pg from 'pg'
import { from, to } from 'pg-copy-streams'

class Session {
  constructor(client) {
    this.client = client
    client.on('error', () => {}) // of a connection that a check closes
  }

  async query(text, ...values) {
    const result = await this.client.query({ text, values, rowMode: 'array' })
    return result.rows
  }

  begin() {
    return this.client.query('BEGIN')
  }

  commit() {
    return this.client.query('COMMIT')
  }

  rollback() {
    return this.client.query('ROLLBACK')
  }

  close() {
    return this.client.end()
  }
}

export default class NodePostgres {
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
    ['int4[]', [1, 2, null], "'{1,2,NULL}'"],
    ['text[]', ['a', 'b"c', ''], '\'{a,"b\\"c",""}\''],
    ['text', null, 'NULL'],
  ]

  constructor(dsn) {
    this.dsn = dsn
  }

  async open() {
    const client = new pg.Client(this.dsn)
    await client.connect()
    return new Session(client)
  }

  state(error) {
    return error.code
  }

  async prepared(session, value) {
    const result = await session.client.query({
      name: 'plus-one',
      text: 'SELECT pg_backend_pid(), $1::int + 1 FROM pg_sleep(0.005)',
      values: [value],
      rowMode: 'array',
    })
    return result.rows[0]
  }

  // Pipelining is a mode of the whole client.
  async batch(_, numbers) {
    const client = new pg.Client({ connectionString: this.dsn, pipeline: true })
    await client.connect()
    await Promise.all(numbers.map((number) => client.query('INSERT INTO batch (id) VALUES ($1)', [number])))
    await client.end()
  }

  copyIn(session, rows) {
    const lines = rows.map(([id, note]) => `${id}\t${note.replaceAll('\t', '\\t')}\n`)
    return pipeline(Readable.from(lines), session.client.query(from('COPY copied (id, note) FROM STDIN')))
  }

  async copyOut(session) {
    let count = 0
    for await (const chunk of session.client.query(to('COPY copied (id, note) TO STDOUT'))) {
      for (const byte of chunk) if (byte === 10) count += 1
    }
    return count
  }

  cancellable(session, sql) {
    const query = new pg.Query(sql)
    const ended = new Promise((resolve, reject) => {
      query.on('end', resolve)
      query.on('error', reject)
    })
    session.client.query(query)
    return { ended, cancel: async () => new pg.Client(this.dsn).cancel(session.client, query) }
  }

  listen(session, channel) {
    const first = new Promise((resolve) => session.client.on('notification', (said) => resolve(said.payload)))
    return { ready: session.query(`LISTEN ${channel}`), first }
  }
}
