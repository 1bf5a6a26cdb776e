import pino, { type DestinationStream, type Logger } from 'pino'
import pretty from 'pino-pretty'

export interface LogOptions {
  readonly level: string
  readonly role: string
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean
  /** Takes the secrets out of a line before it is written. */
  readonly redact: (line: string) => string
}

/** The process's log: JSON, one line an event, or the same for a person at a terminal. */
export function createLog({ level, role, pretty: forPerson, redact }: LogOptions): Logger {
  const output: DestinationStream = forPerson
    ? pretty({ translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname,role' })
    : pino.destination(1)
  const options = {
    level,
    base: { role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  return pino(options, { write: (line) => output.write(redact(line)) })
}
