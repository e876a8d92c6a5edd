// The checks that every driver goes through; what is particular to a driver is behind its class.
// A driver has open(), state(error), prepared(), batch(), copyIn(), copyOut(), cancellable(), listen() and types;
// a session has query(sql, ...parameters) → rows as arrays, begin(), commit(), rollback() and close().
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'

export class Breaks extends Error {} // the lane does not do what was asked; the message is the sign
export class NotOffered extends Error {} // the driver has no such thing; the message is the reason

const CLIENTS = 20
const ROUNDS = 25
const POOL = 2 // backends of the lane's entry; the runner's stack says the same
// Milliseconds until a notification counts as lost; only where none can come is the wait always this long.
const PATIENCE = { transaction: 2_000, session: 20_000 }

const BASE = [
  'connect',
  'mixed_2000_over_20',
  'prepared_6_each',
  'pipeline_or_batch',
  'copy',
  'transaction_error_retry',
  'cancel',
  'types',
]
const CAVEATS = ['listen', 'advisory_lock', 'temp_table', 'with_hold', 'set', 'sql_prepare']

export const namesOf = (lane) => (lane === 'transaction' ? [...BASE, ...CAVEATS] : ['connect', ...CAVEATS])

function expect(found, wanted, what) {
  if (!isDeepStrictEqual(found, wanted)) {
    throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`)
  }
}

const times = (count, make) => Promise.all(Array.from({ length: count }, (_, number) => make(number)))
const closeAll = (sessions) => Promise.all(sessions.map((session) => session.close()))

export class Checks {
  constructor(driver, service, lane) {
    this.driver = driver
    this.service = service
    this.lane = lane
  }

  async connect() {
    const session = await this.driver.open()
    const [row] = await session.query("SELECT current_user::text, current_setting('application_name')")
    expect(row, [this.service, this.service], 'role and application_name')
    await session.close()
  }

  async mixed_2000_over_20() {
    const sessions = await times(CLIENTS, () => this.driver.open())
    await Promise.all(sessions.map((session, client) => this.mixed(session, client)))
    const [row] = await sessions[0].query('SELECT count(*)::int, count(DISTINCT client)::int FROM mixed')
    expect(row, [CLIENTS * 13, CLIENTS], 'rows and clients at the end')
    await closeAll(sessions)
  }

  async mixed(session, client) {
    let kept = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const note = `note ${client}.${round}`
      await session.query('INSERT INTO mixed (client, round, note) VALUES ($1, $2, $3)', client, round, note)
      await session.query(
        'UPDATE mixed SET note = note || $1::text WHERE client = $2 AND round = $3',
        ' changed',
        client,
        round,
      )
      const [row] = await session.query('SELECT note FROM mixed WHERE client = $1 AND round = $2', client, round)
      expect(row[0], `${note} changed`, 'note')
      if (round % 2 === 0) {
        await session.query('DELETE FROM mixed WHERE client = $1 AND round = $2', client, round)
      } else {
        kept += 1
        const [mine] = await session.query('SELECT count(*)::int FROM mixed WHERE client = $1', client)
        expect(mine[0], kept, 'rows of this client')
      }
    }
  }

  async prepared_6_each() {
    const sessions = await times(4 * POOL + 1, () => this.driver.open()) // odd: in step they change backends
    const met = await Promise.all(
      sessions.map(async (session) => {
        const pids = new Set()
        for (let number = 0; number < 8; number++) {
          const [pid, answer] = await this.driver.prepared(session, number)
          expect(answer, number + 1, 'answer of the prepared statement')
          pids.add(pid)
        }
        return pids.size
      }),
    )
    if (Math.max(...met) < POOL) throw new Error('no client has met a second backend, so this shows nothing')
    const [row] = await sessions[0].query(
      'SELECT count(*)::int FROM pg_prepared_statements WHERE statement LIKE $1',
      '%pg_sleep(0.005)%',
    )
    if (row[0] === 0) throw new Error('the server knows no such prepared statement, so this shows nothing')
    await closeAll(sessions)
  }

  async pipeline_or_batch() {
    const session = await this.driver.open()
    await this.driver.batch(
      session,
      Array.from({ length: 500 }, (_, number) => number + 1),
    )
    const [row] = await session.query('SELECT count(*)::int, sum(id)::int FROM batch')
    expect(row, [500, 125250], 'rows of the batch')
    await session.close()
  }

  // One client copies in, another copies the same rows out.
  async copy() {
    const [writer, reader] = await times(2, () => this.driver.open())
    await this.driver.copyIn(
      writer,
      Array.from({ length: 1000 }, (_, number) => [number, `tab\there ${number}`]),
    )
    expect(await this.driver.copyOut(reader), 1000, 'rows copied out')
    await closeAll([writer, reader])
  }

  async transaction_error_retry() {
    const [mine, other] = await times(2, () => this.driver.open())
    await mine.begin()
    await this.fails(mine, 'INSERT INTO accounts (id, balance) VALUES (1, 0)', '23505')
    await this.fails(mine, 'SELECT 1', '25P02')
    await mine.rollback()
    for (const attempt of [1, 2]) {
      await mine.begin()
      await mine.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
      await mine.query('SELECT balance FROM accounts WHERE id = 1')
      if (attempt === 1) {
        await other.query('UPDATE accounts SET balance = balance + 1 WHERE id = 1')
        await this.fails(mine, 'UPDATE accounts SET balance = balance + 10 WHERE id = 1', '40001')
        await mine.rollback()
      } else {
        await mine.query('UPDATE accounts SET balance = balance + 10 WHERE id = 1')
        await mine.commit()
      }
    }
    const [row] = await other.query('SELECT balance FROM accounts WHERE id = 1')
    expect(row[0], 111, 'balance after the retry')
    await closeAll([mine, other])
  }

  async fails(session, sql, state) {
    const error = await session.query(sql).then(
      () => null,
      (reason) => reason,
    )
    if (error === null) throw new Error(`no error ${state}`)
    if (this.driver.state(error) !== state) throw error
  }

  async cancel() {
    const [session, observer] = await times(2, () => this.driver.open())
    const until = async (count) => {
      for (;;) {
        const [row] = await observer.query(
          "SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1",
          "SELECT 'to be cancelled' FROM %",
        )
        if (row[0] === count) return
        await sleep(50)
      }
    }
    const sql = "SELECT 'to be cancelled' FROM pg_sleep(60)"
    const { ended, cancel } = this.driver.cancellable(session, sql)
    const outcome = ended.then(
      () => null,
      (reason) => reason,
    )
    await until(1)
    await cancel()
    const error = await outcome
    if (error === null) throw new Error('the statement was not cancelled')
    if (this.driver.state(error) !== '57014') throw error
    await until(0)
    const [row] = await session.query('SELECT 1')
    expect(row[0], 1, 'answer after the cancel')
    await closeAll([session, observer])
  }

  async types() {
    const session = await this.driver.open()
    for (const [name, value, literal] of this.driver.types) {
      const sql = `SELECT v, v IS NOT DISTINCT FROM ${literal}::${name} FROM (SELECT $1::${name} AS v) t`
      const [row] = await session.query(sql, value)
      expect(row, [value, true], name)
    }
    await session.close()
  }

  async listen() {
    const [session, other] = await times(2, () => this.driver.open())
    const channel = `channel_${this.service}`
    const news = this.driver.listen(session, channel)
    await news.ready
    await other.query(`NOTIFY ${channel}, 'news'`)
    const found = await Promise.race([news.first, sleep(PATIENCE[this.lane], null)])
    await closeAll([session, other])
    if (found === null) throw new Breaks('no notification arrives')
    expect(found, 'news', 'payload')
  }

  advisory_lock() {
    const key = `(hashtext('${this.service}'), hashtext('${this.lane}'))`
    return this.elsewhere(
      `SELECT pg_advisory_lock${key}::text`,
      `SELECT pg_advisory_unlock${key}`,
      true,
      'cannot be unlocked',
    )
  }

  temp_table() {
    return this.elsewhere('CREATE TEMPORARY TABLE scratch (id int)', 'SELECT count(*)::int FROM scratch', 0)
  }

  with_hold() {
    return this.elsewhere('DECLARE kept CURSOR WITH HOLD FOR SELECT 7', 'FETCH 1 FROM kept', 7)
  }

  set() {
    return this.elsewhere("SET work_mem = '7MB'", 'SHOW work_mem', '7MB', 'the setting is not there')
  }

  sql_prepare() {
    return this.elsewhere('PREPARE by_hand AS SELECT 7', 'EXECUTE by_hand', 7)
  }

  // The setup on one backend; the probe while others hold that backend, if the lane lets them.
  async elsewhere(setup, probe, wanted, sign = 'another value') {
    const session = await this.driver.open()
    await session.begin()
    await session.query(setup)
    const [[pid]] = await session.query('SELECT pg_backend_pid()')
    await session.commit()
    const others = await times(POOL, () => this.driver.open())
    const held = []
    for (const other of others) {
      await other.begin()
      held.push((await other.query('SELECT pg_backend_pid()'))[0][0])
    }
    for (const [number, other] of others.entries()) if (held[number] !== pid) await other.rollback()
    try {
      const [row] = await session.query(probe)
      if (!isDeepStrictEqual(row[0], wanted)) throw new Breaks(sign)
    } catch (error) {
      const state = this.driver.state(error)
      if (!['42P01', '34000', '26000'].includes(state)) throw error
      throw new Breaks(`error ${state}`)
    } finally {
      await closeAll([...others, session])
    }
  }
}
