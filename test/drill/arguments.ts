import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { Drill, QueueKind } from './drill.ts'

export const FULL_N = 10_000

/** What a call of `npm run drill` asks for. */
export interface DrillArguments {
  readonly drills: readonly Drill[]
  readonly n: number
  readonly seed: string
  readonly queue: QueueKind
  readonly sweepOff: boolean
  readonly broken: boolean
  readonly record: boolean
}

const USAGE = `usage: npm run drill -- <number …|all> [--n ${FULL_N}] [--seed S] [--queue rabbitmq|table] [--record]`

/** Throws an Error that says what is wrong, and what there is to choose from. */
export function readArguments(known: readonly Drill[]): DrillArguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      n: { type: 'string', default: String(FULL_N) },
      seed: { type: 'string', default: randomBytes(4).toString('hex') },
      queue: { type: 'string', default: 'rabbitmq' },
      'sweep-off': { type: 'boolean', default: false },
      break: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  })
  const n = Number(values.n)
  if (!Number.isSafeInteger(n) || n < 1) throw new Error(`--n ${values.n} is not a size; ${USAGE}`)
  const { queue } = values
  if (queue !== 'rabbitmq' && queue !== 'table') throw new Error(`--queue ${queue} is not a queue; ${USAGE}`)
  const drills = chosenFrom(known, positionals, queue)
  const unbreakable = drills.filter(({ breakage }) => breakage === undefined).map(({ number }) => number)
  if (values.break && unbreakable.length > 0)
    throw new Error(`drill ${unbreakable.join(', ')} has no --break`)
  return {
    drills,
    n,
    seed: values.seed,
    queue,
    sweepOff: values['sweep-off'],
    broken: values.break,
    record: values.record,
  }
}

/** `all` means all that can run on this queue. */
function chosenFrom(known: readonly Drill[], positionals: readonly string[], queue: QueueKind): Drill[] {
  const able = known.filter((drill) => queuesOf(drill).includes(queue))
  if (positionals[0] === 'all') return able
  const numbers = able.map(({ number }) => number).join(', ')
  const chosen = able.filter(({ number }) => positionals.includes(String(number)))
  if (chosen.length === 0 || chosen.length < new Set(positionals).size)
    throw new Error(`${USAGE}; with --queue ${queue} there are ${numbers}`)
  return chosen
}

export function queuesOf({ queues = ['rabbitmq'] }: Drill): readonly QueueKind[] {
  return queues
}
