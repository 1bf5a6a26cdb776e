import { describeCommit, describeMachine } from '../../src/dev/provenance.ts'
import { createLifecycle, type Lifecycle } from '../../src/lifecycle.ts'
import { type DrillArguments, FULL_N, queuesOf, readArguments } from './arguments.ts'
import type { Condition, Drill, Finding, Tally } from './drill.ts'
import { DRILLS } from './drills.ts'
import { NOTHING_COUNTED } from './judge.ts'
import { createLedger } from './ledger.ts'
import { createRandom } from './random.ts'
import { COUNTS, type Result, record } from './results.ts'

/** From here on a run has the waits of production. */
const QUICK_BELOW_N = 2_000

const asked = readOrExit()
const { n, seed, queue, sweepOff, broken } = asked

let lifecycle: Lifecycle = openLifecycle()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void lifecycle.releaseAll().then(() => process.exit(130)))
}

const results: Result[] = []
for (const drill of asked.drills) {
  lifecycle = openLifecycle()
  const result = await runDrill(drill)
  await lifecycle.releaseAll()
  results.push(result)
  if ((n === FULL_N || asked.record) && !broken) await record(result)
}
const failed = results.filter(({ passed }) => !passed).map(({ drill }) => drill)
if (results.length > 1) {
  say(failed.length > 0 ? `FAILED: drill ${failed.join(', ')}` : `all ${results.length} drills passed`)
}
process.exit(failed.length > 0 ? 1 : 0)

function readOrExit(): DrillArguments {
  try {
    return readArguments(DRILLS)
  } catch (error) {
    say((error as Error).message)
    process.exit(2)
  }
}

/** Where a drill runs on either queue, the title says on which it did. */
function titleOf(drill: Drill): string {
  if (queuesOf(drill).length === 1) return drill.title
  return `${drill.title}; ${queue === 'rabbitmq' ? 'on RabbitMQ' : 'the table as the queue'}`
}

async function runDrill(drill: Drill): Promise<Result> {
  const quick = n < QUICK_BELOW_N
  say(`drill ${drill.number}: ${titleOf(drill)}`)
  say(`seed ${seed}, n ${n}${n === FULL_N ? '' : ` (full size is ${FULL_N})`}${quick ? ', short waits' : ''}`)
  if (broken) say(`broken on purpose, and so expected to fail: ${drill.breakage}`)
  const tally: Tally = { kills: 0, restarts: 0, crashes: 0 }
  const random = (purpose: string) => createRandom(`${seed}:${drill.number}:${purpose}`)
  const startedAt = Date.now()
  const finding = await drill
    .run({
      n,
      seed,
      quick,
      queue,
      sweepOff,
      broken,
      ledger: createLedger(`${seed}:${drill.number}`, random('ledger')),
      tally,
      lifecycle,
      random,
      scaled: (full, least) => Math.max(least, Math.round((full * n) / FULL_N)),
      say: (line) => say(`  ${line}`),
    })
    .catch(couldNotRun)
  return report(drill, finding, tally, startedAt)
}

function couldNotRun(error: Error): Finding {
  return { judgement: null, conditions: [{ text: `the drill could be run: ${error.stack}`, passed: false }] }
}

async function report(
  drill: Drill,
  { judgement, conditions }: Finding,
  tally: Tally,
  startedAt: number,
): Promise<Result> {
  const none = { ...NOTHING_COUNTED, examples: [] }
  const { examples, ...judged } = judgement ?? none
  const counts = { ...judged, kills: tally.kills, restarts: tally.restarts }
  const clean: Condition = {
    text: 'lost = doubled = wrong = 0',
    passed: judged.lost + judged.doubled + judged.wrong === 0,
  }
  const all = judgement ? [clean, ...conditions] : conditions
  const passed = all.every((condition) => condition.passed)
  const durationS = Math.round((Date.now() - startedAt) / 1_000)
  const numbers = COUNTS.map((count) => `${count} ${counts[count]}`).join(', ')
  say(`  ${numbers}, crashes ${tally.crashes}, duration ${durationS} s`)
  for (const condition of all) say(`  ${condition.passed ? 'ok    ' : 'FAILED'} ${condition.text}`)
  for (const example of examples) say(`  ${example}`)
  say(`drill ${drill.number} ${passed ? 'passed' : 'FAILED'}: seed ${seed}, n ${n}`)
  return {
    drill: drill.number,
    title: titleOf(drill),
    seed,
    n,
    fullSize: FULL_N,
    passed,
    counts,
    durationS,
    conditions: all,
    date: new Date().toISOString(),
    machine: describeMachine(),
    commit: await describeCommit('src', 'migrations', 'test'),
  }
}

function openLifecycle(): Lifecycle {
  return createLifecycle((name, error) => say(`could not release ${name}: ${String(error)}`))
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
