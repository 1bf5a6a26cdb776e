import pino, { type DestinationStream, type Logger } from 'pino'
import pretty from 'pino-pretty'

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
  }
  return pino(
    options,
    together((lines) => output.write(redact(lines))),
  )
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
