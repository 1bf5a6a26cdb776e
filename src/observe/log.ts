import pino, { type DestinationStream, type Logger } from 'pino'
import pretty from 'pino-pretty'
import { storableText } from '../domain/storable-text.ts'

export interface LogOptions {
  readonly level: string
  readonly role: string
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean
  /** Takes the secrets out of what is about to be written. */
  readonly redact: (lines: string) => string
}

/** The process's log: JSON, one line an event, or the same for a person at a terminal. */
export function createLog({ level, role, pretty: forPerson, redact }: LogOptions): Logger {
  const output: DestinationStream = forPerson
    ? pretty({ translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname,role', sync: true })
    : pino.destination(1)
  const options = {
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: errorInBrief },
  }
  return pino(
    options,
    together((lines) => output.write(redact(lines))),
  )
}

/** Most characters of a text that an error brings into a log line: what nodes and business writes say has no limit. */
const LOGGED_CHARACTERS = 2_000

/** As pino shows an error, with its causes, but each text of it cut. */
function errorInBrief(error: unknown): unknown {
  return error instanceof Error ? inBrief(pino.stdSerializers.err(error)) : inBrief(error)
}

const DEEPEST = 4

function inBrief(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storableText(value, LOGGED_CHARACTERS)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEEPEST) return '…'
  if (Array.isArray(value)) return value.slice(0, LOGGED_CHARACTERS).map((each) => inBrief(each, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inBrief(each, depth + 1)]))
}

/** The lines of one turn of the event loop are one write; those of the last turn are written before the process ends. */
function together(write: (lines: string) => void): DestinationStream {
  let lines = ''
  function flush(): void {
    const written = lines
    lines = ''
    if (written !== '') write(written)
  }
  process.on('exit', flush)
  return {
    write: (line) => {
      if (lines === '') setImmediate(flush)
      lines += line
    },
  }
}
