import { expect, it } from 'vitest'
import { createRandom } from '../drill/random.ts'
import { describeFault, type Target } from '../support/fuzz-answers/faults.ts'
import { followBlocks } from '../support/fuzz-answers/follow-blocks.ts'
import {
  createQueue,
  fieldsOf,
  type PlannedRun,
  playAll,
  type Queue,
  type RecordedField,
} from '../support/fuzz-answers/plan.ts'
import { createRecordedWorld, WHOLE_BLOCKS } from '../support/fuzz-answers/recorded-world.ts'
import { createTable } from '../support/fuzz-answers/table.ts'

const SEED = process.env['TEST_SEED'] ?? 'blocks'
const LEAST_TIMES_OF_EACH_FIELD = 50
const LEAST_RUNS = 2_000
/** The block with transactions is read once: a fault that lasts meets it. */
const LASTING_SHARE = 0.8
const SHOWN_PROBLEMS = 5
/** The block with transactions comes while there are faults. */
const LEAD_BLOCKS = 1
const OFTEN: ReadonlySet<Target> = new Set(['block', 'blockReceipts', 'header', 'head'])

it('whatever is wrong with an answer, no block that is given out is wrong, and it goes on once that is over', async () => {
  const random = createRandom(SEED)
  const table = createTable()
  const problems: string[] = []
  const met = new Map<string, number>()
  let runs = 0
  let lies = 0
  const queues = WHOLE_BLOCKS.flatMap((name) =>
    (['klay', 'eth'] as const).map((namespace) => {
      const world = createRecordedWorld({ namespace, name, leadBlocks: LEAD_BLOCKS })
      const fields = fieldsOf(world).map((each) => {
        const isOften = OFTEN.has(each.target)
        if (each.target === 'receipt') return { ...each, times: 8 }
        if (isOften) met.set(`${namespace} ${name} ${each.target}.${each.field}`, 0)
        return { ...each, times: isOften ? LEAST_TIMES_OF_EACH_FIELD * 1.4 : 0 }
      })
      const isWanted = ({ target, field }: RecordedField) =>
        (met.get(`${namespace} ${name} ${target}.${field}`) ?? 0) < LEAST_TIMES_OF_EACH_FIELD
      return createQueue(world, fields, random, { isWanted, lastingShare: LASTING_SHARE, otherNodesShare: 0 })
    }),
  )

  async function play({ world, missed }: Queue, planned: PlannedRun): Promise<void> {
    const left = new Set(planned.faults.flat())
    runs += 1
    const result = await followBlocks({
      ...planned,
      world,
      random: createRandom(`${SEED} ${runs}`),
      onMet: (fault, became) => {
        left.delete(fault)
        table.add(fault, became === 'read' ? 'verdict' : became)
        if (fault.level !== 'field') return
        const key = `${world.namespace} ${world.name} ${fault.target}.${fault.field}`
        const times = met.get(key)
        if (times !== undefined) met.set(key, times + 1)
      },
    })
    missed([...left])
    lies += result.lies
    if (result.problems.length === 0) return
    const faults = planned.faults.map((ofRead) => ofRead.map(describeFault).join(' and ')).join(' | ')
    problems.push(
      [`${world.namespace} ${world.name}, depth ${planned.depth}: ${faults}`, ...result.problems].join('\n'),
    )
  }

  await playAll(queues, random, play, () => problems.length >= SHOWN_PROBLEMS)
  process.stdout.write(
    `${[...table.lines(), `${runs} histories; lies that got through: ${lies}`].join('\n')}\n`,
  )

  expect(problems.slice(0, SHOWN_PROBLEMS)).toEqual([])
  expect(runs).toBeGreaterThanOrEqual(LEAST_RUNS)
  expect([...met].filter(([, times]) => times < LEAST_TIMES_OF_EACH_FIELD)).toEqual([])
}, 300_000)
