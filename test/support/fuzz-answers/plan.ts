import { RPC_METHODS } from '../../../src/chain/rpc-methods.ts'
import { pick, type Random } from '../../drill/random.ts'
import { type Fault, ITSELF, type Target } from './faults.ts'
import {
  FIELD_MUTATIONS,
  type FieldMutation,
  REQUEST_MUTATIONS,
  RESPONSE_MUTATIONS,
  RESULT_MUTATIONS,
} from './mutations.ts'
import type { RecordedWorld } from './recorded-world.ts'

/** A field of an answer that was recorded, or the answer itself where it has no fields. */
export interface RecordedField {
  readonly target: Target
  readonly field: string
}

type FieldFault = Unplaced<Extract<Fault, { level: 'field' }>>

/** The fields of all answers that a node of this world gives about its transaction and its block. */
export function fieldsOf(world: RecordedWorld): RecordedField[] {
  const { txHash, replacedBy, endsIn } = world
  const head = (endsIn ?? world.headAt(world.startMs)) + 1
  const blockNumber = `0x${(endsIn ?? head).toString(16)}`
  const questions: readonly (readonly [Target, readonly unknown[]])[] = [
    ['receipt', [replacedBy ?? txHash]],
    ['transaction', [replacedBy ?? txHash]],
    ['header', [blockNumber]],
    ['head', ['latest']],
    ['block', [blockNumber]],
    ['blockReceipts', [world.hashOf(endsIn ?? head)]],
  ]
  const ofObjects = questions.flatMap(([target, params]) => {
    const method = target === 'head' ? RPC_METHODS.header : RPC_METHODS[target]
    const answer = world.answer(method, params, head)
    const result = 'error' in answer ? null : answer.result
    const fields = Object.keys((Array.isArray(result) ? result[0] : result) ?? {})
    return fields.map((field) => ({ target, field }))
  })
  return [...ofObjects, { target: 'chainId', field: ITSELF }, { target: 'transactionCount', field: ITSELF }]
}

/** A field, and how often it is to be mutated at least. */
export interface PlannedField extends RecordedField {
  readonly times: number
}

export interface PlannedRun {
  readonly nodes: number
  readonly depth: number
  /** Of each check, one after the other; later checks meet none. */
  readonly faults: readonly (readonly Fault[])[]
}

/** What is still to be met in one world. */
export interface Queue {
  readonly world: RecordedWorld
  /** The next run; null: everything was met, or can't be. */
  next(random: Random): PlannedRun | null
  /** Field faults of the run that were not met are planned again. */
  missed(faults: readonly Fault[]): void
}

const MAX_FAULTY_CHECKS = 4
/** Checks until a nonce counts as used up; what is asked then is met only by a fault that lasts. */
const MAX_LASTING_CHECKS = 16
const LASTING_SHARE = 0.2
/** The first node is asked most: the others only as long as it says nothing, or that nothing is there. */
const OTHER_NODES_SHARE = 0.2
const HIDING_SHARE = 0.02
const MAX_SKIPPED = 7
/** Enough for a nonce to count as used up, and less than it takes to expire. */
const HIDING_CHECKS = 10
/** Planned so often without being met, a fault is given up: the question is not asked in this world. */
const MAX_MISSES = 50
const FINALITY_DEPTH_BLOCKS = 3

export interface QueueOptions {
  /** Whether the field still has to be met; what was met often enough by chance is not planned any more. */
  readonly isWanted: (field: RecordedField) => boolean
  /** Share of the runs whose faults stay the same. */
  readonly lastingShare?: number
  /** Share of the runs in which another node than the first may err. */
  readonly otherNodesShare?: number
}

export function createQueue(
  world: RecordedWorld,
  fields: readonly PlannedField[],
  random: Random,
  { isWanted, lastingShare = LASTING_SHARE, otherNodesShare = OTHER_NODES_SHARE }: QueueOptions,
): Queue {
  const misses = new Map<string, number>()
  const waiting: FieldFault[] = shuffled(
    fields.flatMap(({ target, field, times }) =>
      drawn(times, random).map((mutation): FieldFault => ({ level: 'field', target, field, mutation })),
    ),
    random,
  )

  function nextWanted(): FieldFault | undefined {
    for (let found = waiting.pop(); found; found = waiting.pop()) if (isWanted(found)) return found
    return undefined
  }

  function take(node: number, given: Random): Fault[] {
    const first = nextWanted()
    if (!first) return []
    const found: Fault[] = [placed(first, node, given)]
    const companion = companionOf(first)
    const chance = given()
    if (companion && given() < 0.5) found.push({ ...companion, node, once: false, skipped: 0 })
    else if (chance < 0.5) {
      const second = nextWanted()
      if (second) found.push(placed(second, node, given))
    } else if (chance < 0.7) found.push(placed(otherFault(given), node, given))
    return found
  }

  return {
    world,
    next: (given) => {
      if (waiting.length === 0) return null
      const nodes = 1 + Math.floor(given() * 3)
      const node = given() < otherNodesShare ? Math.floor(given() * nodes) : 0
      const isLasting = given() < lastingShare || world.ending === 'replaced'
      const checks =
        1 + Math.floor(given() * (world.ending === 'replaced' ? MAX_LASTING_CHECKS : MAX_FAULTY_CHECKS))
      const depth = given() < 0.3 ? FINALITY_DEPTH_BLOCKS : 0
      if (given() < HIDING_SHARE) {
        const hiding = hidden(node, given() < 0.5)
        return { nodes, depth, faults: [[], ...Array.from({ length: HIDING_CHECKS }, () => hiding)] }
      }
      const lasting = isLasting ? take(node, given) : null
      const faults = Array.from({ length: checks }, () => lasting ?? take(node, given))
      return { nodes, depth, faults }
    },
    missed: (faults) => {
      for (const fault of faults) {
        if (fault.level !== 'field') continue
        const { node: _, once: __, skipped: ___, ...planned } = fault
        const key = JSON.stringify(planned)
        misses.set(key, (misses.get(key) ?? 0) + 1)
        if ((misses.get(key) ?? 0) <= MAX_MISSES) waiting.unshift(planned)
      }
    },
  }
}

/** Histories that are run together, so that they share the turns of the event loop. */
const RUNS_AT_ONCE = 100

/** Plays runs of all queues in turn, until none has anything left, or it has failed already. */
export async function playAll(
  queues: readonly Queue[],
  random: Random,
  play: (queue: Queue, planned: PlannedRun) => Promise<void>,
  isFailed: () => boolean,
): Promise<void> {
  for (let open = queues; open.length > 0 && !isFailed(); ) {
    const planned = open.map((queue) => ({ queue, run: queue.next(random) }))
    const runs = planned.filter(({ run }) => run !== null)
    for (let from = 0; from < runs.length; from += RUNS_AT_ONCE) {
      await Promise.all(
        runs.slice(from, from + RUNS_AT_ONCE).map(async ({ queue, run }) => {
          if (run) await play(queue, run)
        }),
      )
    }
    open = runs.map(({ queue }) => queue)
  }
}

/** What must fail too, so that the fault is met at another place. */
function companionOf({ target }: FieldFault): Unplaced<Exclude<Fault, { level: 'field' }>> | null {
  // At a node that takes no batches the chain id is asked for before and after other calls.
  if (target === 'chainId') return { level: 'request', mutation: 'batches refused' }
  // Receipts are asked for one by one where the block's can't be had together.
  if (target === 'receipt') return { level: 'result', target: 'blockReceipts', mutation: 'absent' }
  return null
}

/** So many mutations: all of them in turn, and for the rest any. */
function drawn(times: number, random: Random): FieldMutation[] {
  const rounds = Math.floor(times / FIELD_MUTATIONS.length)
  const rest = Array.from(
    { length: times % FIELD_MUTATIONS.length },
    () => pick(random, FIELD_MUTATIONS) ?? 'null',
  )
  return [...Array.from({ length: rounds }, () => FIELD_MUTATIONS).flat(), ...rest]
}

type Unplaced<T> = T extends Fault ? Omit<T, 'node' | 'once' | 'skipped'> : never

function placed<T extends Unplaced<Fault>>(fault: T, node: number, random: Random) {
  const once = random() < 0.4
  return {
    ...fault,
    node,
    once,
    skipped: once && random() < 0.5 ? 1 + Math.floor(random() * MAX_SKIPPED) : 0,
  }
}

/**
 * A node that knew the transaction and has lost it, or one of several machines that lacks it: neither receipt nor
 * transaction, but the sender's nonce.
 */
function hidden(node: number, once: boolean): Fault[] {
  const absent = { level: 'result', mutation: 'absent', node, once, skipped: 0 } as const
  return [
    { ...absent, target: 'receipt' },
    { ...absent, target: 'transaction' },
  ]
}

/** A fault of a whole result, response or request. */
export function otherFault(random: Random): Unplaced<Exclude<Fault, { level: 'field' }>> {
  const target = pick(random, TARGETS) ?? 'receipt'
  const chance = random()
  if (chance < 0.4) return { level: 'result', target, mutation: pick(random, RESULT_MUTATIONS) ?? 'absent' }
  if (chance < 0.7)
    return { level: 'response', target, mutation: pick(random, RESPONSE_MUTATIONS) ?? 'error' }
  return { level: 'request', mutation: pick(random, REQUEST_MUTATIONS) ?? 'HTTP 500' }
}

const TARGETS: readonly Target[] = [
  ...(['receipt', 'receipt', 'transaction', 'transaction', 'header', 'head'] as const),
  ...(['chainId', 'transactionCount', 'block', 'blockReceipts'] as const),
]

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
