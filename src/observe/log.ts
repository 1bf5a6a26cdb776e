import pino, { type DestinationStream, type Logger } from 'pino'
import pretty from 'pino-pretty'

export interface LogOptions {
  readonly level: string
  readonly role: string
  /** Lines for a person instead of JSON. */
  readonly pretty: boolean
}

/** The process's log: JSON, one line an event, or the same for a person at a terminal. */
export function createLog({ level, role, pretty: forPerson }: LogOptions): Logger {
  const destination: DestinationStream | undefined = forPerson
    ? pretty({ translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname,role' })
    : undefined
  const options = { level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }
  return destination ? pino(options, destination) : pino(options)
}
