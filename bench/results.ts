import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import type { Aim, Measured } from './benchmark.ts'

/** A finished benchmark, as it is kept in bench/results/<name>.json. */
export interface Result {
  readonly name: string
  readonly method: string
  readonly rounds: number
  readonly rows: readonly { readonly variant: string; readonly figures: Readonly<Record<string, Measured>> }[]
  readonly aims: readonly Aim[]
  readonly date: string
  readonly machine: string
  readonly commit: string
}

const FOLDER = 'bench/results'
const PAGE = 'docs/performance.md'
/** What stands below it is written by a person, and kept. */
const END_OF_TABLES = '<!-- end of the tables: what follows is kept -->'

/** Writes a result and makes the page anew. */
export async function record(result: Result): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  await writeFile(`${FOLDER}/${result.name}.json`, `${JSON.stringify(result, null, 2)}\n`)
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.json')).sort()
  const results = await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(`${FOLDER}/${name}`, 'utf8')) as Result),
  )
  await mkdir('docs', { recursive: true })
  const page = await readFile(PAGE, 'utf8').catch(() => '')
  const kept = page.includes(END_OF_TABLES) ? page.slice(page.indexOf(END_OF_TABLES)) : `${END_OF_TABLES}\n`
  await writeFile(PAGE, `${HEADER}\n${results.map(renderResult).join('\n')}\n${kept}`)
}

const HEADER = `# Performance

Each table is made by \`npm run bench -- <name>\`: all variants in the same run, taking turns; the median of the rounds, and in
brackets the smallest and the largest.
`

export function renderResult({ name, method, rounds, rows, aims, machine, commit, date }: Result): string {
  const figures = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))]
  const table = [
    ['', ...figures],
    ['---', ...figures.map(() => '---:')],
    ...rows.map((row) => [row.variant, ...figures.map((figure) => cell(row.figures[figure]))]),
  ]
  return [
    `## ${name}`,
    '',
    method,
    '',
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...aims.map(({ text, reached }) => `- ${reached ? 'reached' : '**not reached**'}: ${text}`),
    ...(aims.length > 0 ? [''] : []),
    `${rounds} round${rounds === 1 ? '' : 's'}; commit ${commit}, ${date.slice(0, 10)}; ${machine}.`,
    '',
  ].join('\n')
}

function cell(value: Measured | undefined): string {
  if (!value) return ''
  const { median, least, most } = value
  return `${shown(median)} (${shown(least)}–${shown(most)})`
}

function shown(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value >= 1 ? value.toFixed(1) : value.toFixed(3)
}
