import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Judgement } from './judge.ts'
import type { Ledger } from './ledger.ts'
import type { Random } from './random.ts'

/** What is counted while a drill runs. */
export interface Tally {
  /** SIGKILLs of workers and APIs, and kills of the broker. */
  kills: number
  /** Processes and brokers that were started again. */
  restarts: number
  /** Processes that ended although nobody ended them. */
  crashes: number
}

/** A condition of a drill besides lost = doubled = wrong = 0. */
export interface Condition {
  readonly text: string
  readonly passed: boolean
}

/** Which check queue the processes of a drill use: RabbitMQ, or the table where no AMQP_URL is given. */
export type QueueKind = 'rabbitmq' | 'table'

/** What a drill is given. */
export interface DrillContext {
  /** Number of transactions; what else a drill has many of is scaled with it. */
  readonly n: number
  readonly seed: string
  /** Below the full size, waits are shorter too, so that a small run ends soon. */
  readonly quick: boolean
  readonly queue: QueueKind
  /** Test-only: the sweep is switched off, to show that a drill can tell. */
  readonly sweepOff: boolean
  /** Test-only: the drill breaks the guarantee itself (`Drill.breakage`), to show that it notices. */
  readonly broken: boolean
  readonly ledger: Ledger
  readonly tally: Tally
  readonly lifecycle: Lifecycle
  /** A generator for one purpose. */
  random(purpose: string): Random
  /** `full` at full size, in proportion below it, but not below `least`. */
  scaled(full: number, least: number): number
  say(line: string): void
}

/** One drill: a way in which things break, and what must hold nevertheless. */
export interface Drill {
  readonly number: number
  /** What is done, in a few words; shown in the table of results. */
  readonly title: string
  /** The check queues that it can run on; RabbitMQ alone if left out. */
  readonly queues?: readonly QueueKind[]
  /** What `--break` does. A drill without it refuses the option. */
  readonly breakage?: string
  /** Returns the conditions of its own; the ledger is judged by the frame. */
  run(context: DrillContext): Promise<Finding>
}

export interface Finding {
  readonly conditions: readonly Condition[]
  /** The database to judge; null if the drill judges by its conditions alone. */
  readonly judgement: Judgement | null
}
