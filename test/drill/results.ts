import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { Condition } from './drill.ts'

/** A finished run of a drill, as it is kept in docs/drills.json. */
export interface Result {
  readonly drill: number
  readonly title: string
  readonly seed: string
  readonly n: number
  readonly fullSize: number
  readonly passed: boolean
  readonly counts: Readonly<Record<Count, number>>
  readonly durationS: number
  /** What was found of a run that failed; written by a person. */
  readonly note?: string
  readonly conditions: readonly Condition[]
  readonly date: string
  readonly machine: string
  /** Of the code that was drilled; with a `+` if files were changed. */
  readonly commit: string
}

export const COUNTS = [
  'recorded',
  'confirmed',
  'failed',
  'stalled',
  'replaced',
  'lost',
  'doubled',
  'wrong',
  'kills',
  'restarts',
] as const
type Count = (typeof COUNTS)[number]

const FOLDER = 'docs'
const RESULTS_FILE = `${FOLDER}/drills.json`
const TABLE_FILE = `${FOLDER}/drills.md`

/** Appends a result and makes the table anew. */
export async function record(result: Result): Promise<void> {
  const results = [...(await readResults()), result]
  await mkdir(FOLDER, { recursive: true })
  await writeFile(RESULTS_FILE, `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(TABLE_FILE, renderTable(results))
}

async function readResults(): Promise<Result[]> {
  try {
    return JSON.parse(await readFile(RESULTS_FILE, 'utf8')) as Result[]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const HEADER = `# Drills

What was broken on purpose, and what became of the transactions. This page is made by the drills:
\`npm run drill -- <number|all> [--n 10000] [--seed S]\` adds a line for each run at full size, or with
\`--record\`.

*lost*: recorded, but without the right final state or its event within the limit. *doubled*: more than one business
row or more than one event of one status. *wrong*: a verdict that is not the truth, or a business row and a confirmed
verdict that do not go together. A drill passes if all three are 0 and its own conditions hold. *n* is what the size
was given as; a drill that needs fewer transactions records fewer.
`

/** The results by drill, the oldest first. */
export function renderTable(results: readonly Result[]): string {
  const sorted = results.toSorted((a, b) => a.drill - b.drill || a.date.localeCompare(b.date))
  const head = ['drill', 'what is broken', 'seed', 'n', ...COUNTS, 'duration', 'result', 'commit', 'date']
  const lines = sorted.map((result) => [
    String(result.drill),
    result.title,
    result.seed,
    result.n === result.fullSize ? String(result.n) : `${result.n} of ${result.fullSize}`,
    ...COUNTS.map((count) => String(result.counts[count])),
    `${result.durationS} s`,
    result.passed ? 'passed' : 'FAILED',
    result.commit,
    result.date.slice(0, 10),
  ])
  const rows = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`)
  return [HEADER, ...rows, '', ...failures(sorted), ...machines(sorted), ''].join('\n')
}

function failures(results: readonly Result[]): string[] {
  const failed = results.filter(({ passed }) => !passed)
  if (failed.length === 0) return []
  const lines = failed.map(({ drill, seed, conditions, note }) => {
    const texts = conditions.filter(({ passed }) => !passed).map(({ text }) => text.split('\n')[0])
    const why = note === undefined ? '' : ` (${note})`
    return `- Drill ${drill}, seed ${seed}: ${texts.join('; ') || 'see the counts'}${why}`
  })
  return ['What did not hold:', '', ...lines, '']
}

function machines(results: readonly Result[]): string[] {
  return ['Machines:', '', ...[...new Set(results.map(({ machine }) => `- ${machine}`))]]
}
