// `node run.mjs DRIVER`: {service, lane, dsn} on stdin, one JSON line per check on stdout.
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Breaks, Checks, NotOffered, namesOf } from './checks.mjs'

const SECONDS = 90 // for one check; what takes longer hangs

async function ending(check) {
  const late = Symbol('late')
  try {
    if ((await Promise.race([check(), sleep(SECONDS * 1000, late)])) === late) return ['hangs', '']
    return ['works', '']
  } catch (error) {
    if (error instanceof Breaks) return ['breaks', error.message]
    if (error instanceof NotOffered) return ['n/a', error.message]
    return ['failed', `${error.name} ${error.code ?? ''}: ${error.message}`]
  }
}

process.on('unhandledRejection', () => {}) // of a check that has hung or failed; it is reported by its outcome

const { service, lane, dsn } = JSON.parse(await text(process.stdin))
const { default: Driver } = await import(`./${process.argv[2]}.mjs`)
const checks = new Checks(new Driver(dsn), service, lane)
for (const check of namesOf(lane)) {
  const [outcome, detail] = await ending(() => checks[check]())
  console.log(JSON.stringify({ check, outcome, detail }))
}
process.exit(0) // connections of checks that hang would keep the process
