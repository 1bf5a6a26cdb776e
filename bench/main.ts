import { parseArgs } from 'node:util'
import { describeCommit, describeMachine } from '../src/dev/provenance.ts'
import { createLifecycle, type Lifecycle } from '../src/lifecycle.ts'
import { type Benchmark, type Figures, measured } from './benchmark.ts'
import { calls } from './benchmarks/calls.ts'
import { events } from './benchmarks/events.ts'
import { growth } from './benchmarks/growth.ts'
import { latency } from './benchmarks/latency.ts'
import { memory } from './benchmarks/memory.ts'
import { size } from './benchmarks/size.ts'
import { throughput } from './benchmarks/throughput.ts'
import { workers } from './benchmarks/workers.ts'
import { type Parts, startParts } from './parts.ts'
import { type Result, record, renderResult } from './results.ts'

/** `npm run bench -- <name …|all> [--rounds 3] [--smoke]` */
const BENCHMARKS: readonly Benchmark[] = [throughput, latency, calls, growth, memory, workers, events, size]
const LEAST_ROUNDS = 3

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: String(LEAST_ROUNDS) },
    smoke: { type: 'boolean', default: false },
  },
})
const rounds = options.smoke ? 1 : Number(options.rounds)
const chosen = BENCHMARKS.filter(({ name }) => positionals[0] === 'all' || positionals.includes(name))
if (chosen.length === 0 || !Number.isSafeInteger(rounds) || rounds < 1) {
  const names = BENCHMARKS.map(({ name }) => name).join(', ')
  say(`usage: npm run bench -- <name …|all> [--rounds ${LEAST_ROUNDS}] [--smoke]; there are ${names}`)
  process.exit(2)
}

let lifecycles: Lifecycle[] = []
let parts: Promise<Parts> | null = null
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void releaseAll().then(() => process.exit(130)))
}

try {
  for (const benchmark of chosen) {
    const result = await runBenchmark(benchmark)
    say(renderResult(result))
    if (!options.smoke) await record(result)
  }
} catch (error) {
  say(String((error as Error).stack))
  process.exitCode = 1
} finally {
  await releaseAll()
}
process.exit()

async function runBenchmark({ name, method, aims, variants }: Benchmark): Promise<Result> {
  say(`${name}: ${rounds} round(s)${options.smoke ? ', small: the figures mean nothing' : ''}`)
  parts ??= startParts(openLifecycle())
  const lifecycle = openLifecycle()
  const compared = await variants({ smoke: options.smoke, lifecycle, parts: await parts })
  const figures = new Map<string, Figures[]>(compared.map((variant) => [variant.name, []]))
  for (let round = 0; round < rounds; round++) {
    // There and back again, so that none is always first.
    for (const variant of round % 2 === 0 ? compared : compared.toReversed()) {
      const own = openLifecycle()
      const found = await variant.run(own)
      await own.releaseAll()
      lifecycles = lifecycles.filter((each) => each !== own)
      const missing = Object.entries(found).find(([, value]) => !Number.isFinite(value))
      if (missing) throw new Error(`${name}: ${variant.name} has no figure for ${missing[0]}`)
      figures.get(variant.name)?.push(found)
      const shown = Object.entries(found).map(([figure, value]) => `${figure} ${value.toPrecision(4)}`)
      say(`  round ${round + 1}, ${variant.name}: ${shown.join(', ')}`)
    }
  }
  await lifecycle.releaseAll()
  const rows = [...figures].map(([variant, each]) => ({
    variant,
    figures: Object.fromEntries(
      Object.keys(each[0] ?? {}).map((figure) => [
        figure,
        measured(each.map((one) => one[figure] ?? Number.NaN)),
      ]),
    ),
  }))
  const median = (variant: string, figure: string) =>
    rows.find((row) => row.variant === variant)?.figures[figure]?.median ?? Number.NaN
  return {
    name,
    method,
    rounds,
    rows,
    aims: options.smoke ? [] : aims(median),
    date: new Date().toISOString(),
    machine: describeMachine(),
    commit: await describeCommit('src', 'migrations', 'bench', ':!bench/results'),
  }
}

function openLifecycle(): Lifecycle {
  const opened = createLifecycle((name, error) => say(`could not release ${name}: ${String(error)}`))
  lifecycles.push(opened)
  return opened
}

async function releaseAll(): Promise<void> {
  for (const each of lifecycles.toReversed()) await each.releaseAll()
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
