import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { FollowPolicy } from './flows/follow-policy.ts'
import type { Lifecycle } from './lifecycle.ts'

/** What a process does: `start` is `api` and `worker` in one. */
export type Role = 'start' | 'api' | 'worker'

/** The configuration with every part it needs really there. */
export interface RunnableConfig extends Config {
  readonly databaseUrl: string
  /** The chain is a development chain that this process brought. */
  readonly hasEmbeddedChain: boolean
}

export interface RunContext {
  readonly config: RunnableConfig
  readonly log: Logger
  readonly lifecycle: Lifecycle
  /** Called with an error that the process can't live with. */
  readonly onFatal: (error: Error) => void
  /** Other limits than the usual ones, so that a test need not wait for them. */
  readonly followPolicy?: Partial<FollowPolicy>
}
