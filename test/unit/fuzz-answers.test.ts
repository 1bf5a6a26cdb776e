import { expect, it } from 'vitest'
import { createRandom } from '../drill/random.ts'
import { describeFault, type Fault, type Target } from '../support/fuzz-answers/faults.ts'
import {
  createQueue,
  fieldsOf,
  type PlannedField,
  type PlannedRun,
  playAll,
  type Queue,
  type RecordedField,
} from '../support/fuzz-answers/plan.ts'
import {
  createRecordedWorld,
  REPLACED,
  type RecordedWorld,
  WHOLE_BLOCKS,
} from '../support/fuzz-answers/recorded-world.ts'
import { type HistoryResult, runHistory } from '../support/fuzz-answers/run-history.ts'
import { createTable } from '../support/fuzz-answers/table.ts'
import { RECORDINGS, recordedFields } from '../support/kaia-answers.ts'

const SEED = process.env['TEST_SEED'] ?? 'answers'
const LEAST_RUNS = 20_000
const LEAST_TIMES_OF_EACH_FIELD = 50
const LEAST_SHARE_OF_VERDICTS = 0.3
const SHOWN_PROBLEMS = 5

/** A transaction that is in a block when the history begins, and one that is in the pool of its nodes first. */
const [INCLUDED, POOLED] = [0, 4]
/** The answers of `kaia` are those of `klay`, as another test shows. */
const WITH_ANSWERS_OF_THEIR_OWN = ['klay', 'eth'] as const

interface Tally {
  runs: number
  mutatedRuns: number
  verdicts: number
  lies: number
  readonly problems: string[]
  /** How often each field of each recorded answer that is planned often was met mutated. */
  readonly met: Map<string, number>
}

it('whatever is wrong with an answer of one node, no verdict is wrong, and all is settled once it is over', async () => {
  const random = createRandom(SEED)
  const table = createTable()
  const tally: Tally = { runs: 0, mutatedRuns: 0, verdicts: 0, lies: 0, problems: [], met: new Map() }
  const recorded = RECORDINGS.filter(({ name }) => !WHOLE_BLOCKS.includes(name))
  const worlds = WITH_ANSWERS_OF_THEIR_OWN.flatMap((namespace) => [
    ...recorded.flatMap(({ name }) =>
      [INCLUDED, POOLED].map((leadBlocks) => createRecordedWorld({ namespace, name, leadBlocks })),
    ),
    createRecordedWorld({ namespace, name: REPLACED, leadBlocks: POOLED, isReplaced: true }),
  ])
  const queues = worlds.map((world) => {
    const fields = plannedFields(world)
    for (const { target, field, times } of fields) {
      if (isCounted(world, target) && times > 0) tally.met.set(keyOf(world, target, field), 0)
    }
    const isWanted = ({ target, field }: RecordedField) =>
      (tally.met.get(keyOf(world, target, field)) ?? 0) < LEAST_TIMES_OF_EACH_FIELD * 1.5
    return createQueue(world, fields, random, { isWanted })
  })

  async function play(queue: Queue, planned: PlannedRun): Promise<void> {
    const { world } = queue
    const left = new Set(planned.faults.flat())
    let isMutated = false
    const seed = `${SEED} ${tally.runs}`
    tally.runs += 1
    const result = await runHistory({
      ...planned,
      world,
      random: createRandom(seed),
      onMet: (fault, became) => {
        isMutated = true
        left.delete(fault)
        table.add(fault, became)
        if (fault.level !== 'field') return
        const key = keyOf(world, fault.target, fault.field)
        const times = tally.met.get(key)
        if (times !== undefined) tally.met.set(key, times + 1)
      },
    })
    queue.missed([...left])
    if (isMutated) tally.mutatedRuns += 1
    if (result.verdict !== null) tally.verdicts += 1
    tally.lies += result.lies
    if (result.problems.length > 0) tally.problems.push(describe(world, planned, result))
  }

  await playAll(queues, random, play, () => tally.problems.length >= SHOWN_PROBLEMS)
  process.stdout.write(`${[...table.lines(), ...summary(tally, table.totals())].join('\n')}\n`)

  expect(tally.problems.slice(0, SHOWN_PROBLEMS)).toEqual([])
  expect(tally.mutatedRuns).toBeGreaterThanOrEqual(LEAST_RUNS)
  expect(tally.verdicts / tally.runs).toBeGreaterThanOrEqual(LEAST_SHARE_OF_VERDICTS)
  const rarelyMet = [...tally.met].filter(([, times]) => times < LEAST_TIMES_OF_EACH_FIELD)
  expect(rarelyMet).toEqual([])
}, 300_000)

/** What is mutated, and how often: each field where it decides most, and a little where it should not matter. */
function plannedFields(world: RecordedWorld): PlannedField[] {
  const isIncluded = world.endsIn !== null && world.headAt(world.startMs) >= world.endsIn
  const often = LEAST_TIMES_OF_EACH_FIELD + 4
  const timesOf = (target: Target): number => {
    if (world.ending === 'never') return target === 'head' || target === 'chainId' ? often : 0
    if (world.ending === 'replaced') return target === 'transactionCount' ? often : 3
    if (target === 'receipt') return isIncluded ? often : 3
    if (target === 'transaction') return often / 2
    // Most transactions are of one block, whose header they share.
    if (target === 'header') return isIncluded ? Math.ceil(often / transactionsIn(world)) : 3
    return target === 'chainId' ? 4 : 0
  }
  return fieldsOf(world).map((each) => ({ ...each, times: timesOf(each.target) }))
}

/** Whether each field of this answer is to be met often. */
function isCounted({ ending }: RecordedWorld, target: Target): boolean {
  if (ending === 'never') return target === 'head' || target === 'chainId'
  if (ending === 'replaced')
    return target === 'transactionCount' || target === 'receipt' || target === 'transaction'
  return target === 'receipt' || target === 'transaction' || target === 'header'
}

function keyOf(world: RecordedWorld, target: Target, field: string): string {
  const answer = target === 'header' ? `block ${world.endsIn}` : world.name
  return `${world.namespace} ${answer} ${target}.${field}`
}

function transactionsIn({ endsIn }: RecordedWorld): number {
  const blocks = RECORDINGS.filter(({ name, hash }) => hash !== undefined && name !== 'never').map(
    ({ name }) => Number(recordedFields(name, 'klay_getTransactionReceipt')['blockNumber']),
  )
  return blocks.filter((block) => block === endsIn).length
}

function summary(tally: Tally, totals: ReadonlyMap<string, number>): string[] {
  const results = [...totals].map(([result, times]) => `${times} ${result}`).join(', ')
  return [
    `${tally.runs} histories, ${tally.mutatedRuns} of them met faults; ${tally.verdicts} ended in a verdict`,
    `faults that were met, by what the check became: ${results}`,
    `wrong verdicts after a well-formed lie of the one node that was believed: ${tally.lies}`,
  ]
}

function describe(world: RecordedWorld, { nodes, depth, faults }: PlannedRun, result: HistoryResult): string {
  const checks = faults.map((ofCheck: readonly Fault[]) => ofCheck.map(describeFault).join(' and '))
  return [
    `${world.namespace} ${world.name}, which is ${world.ending} in block ${world.endsIn}; ${nodes} node(s), depth ${depth}`,
    `faults: ${checks.join(' | ')}`,
    ...result.problems,
  ].join('\n')
}
