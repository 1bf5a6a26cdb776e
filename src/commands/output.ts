import { stripVTControlCharacters, styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

/** Whether a person reads standard output, who may be shown colours and redrawn screens. */
export function isTerminal(): boolean {
  return process.stdout.isTTY === true
}

function isColoured(): boolean {
  return isTerminal() && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
}

export function paint(format: Format, text: string): string {
  return isColoured() ? styleText(format, text) : text
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** Errors and progress: what is not the answer. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Whoever reads has read enough, as `head` does. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
}

/** Text from elsewhere: what would steer the terminal is shown and does nothing. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

export function shortened(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text
}

/** Rows with their columns aligned; colours don't count. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  }
  const lines = rows.map((row) => {
    const cells = row.map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - widthOf(cell)))
    return `${indent}${cells.join('  ')}`.trimEnd()
  })
  return lines.join('\n')
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** A length of time in its largest unit, such as `5 min`. */
export function lasting(durationMs: number): string {
  const length = Math.abs(durationMs)
  for (const [unit, unitMs] of UNITS) {
    if (length >= unitMs) return `${Math.floor(length / unitMs)} ${unit}`
  }
  return `${Math.round(length)} ms`
}

/** How long ago a time was. */
export function ago(time: Date | string, now: Date): string {
  const passedMs = now.getTime() - new Date(time).getTime()
  return passedMs < 1_000 ? 'now' : `${lasting(passedMs)} ago`
}

/** `1 message`, `2 messages`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}
