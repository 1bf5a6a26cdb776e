import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface WebhookWorkDependencies {
  readonly store: {
    /** Does a batch of the work; says whether there is more. */
    workOnWebhooks(): Promise<{ more: boolean; deliveries: number }>
  }
  readonly log: Log
}

const IDLE_MS = 5_000
/** Between two batches, so that they leave the database to its work. */
const PAUSE_MS = 20

/**
 * Deletes the deliveries of deleted webhooks, and makes those of resumed ones due, in batches. What is left when a process
 * ends is in the database, and any other goes on with it.
 */
export function startWebhookWork({ store, log }: WebhookWorkDependencies): Wakeful {
  return runWakefully({
    job: async (signal) => {
      const { more } = await store.workOnWebhooks()
      if (more) await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined)
      return more && !signal.aborted
    },
    idleMs: IDLE_MS,
    gapMs: 0,
    onError: (error) =>
      log.warn({ err: error }, 'deleted or resumed webhooks not worked on; trying again in 5 s'),
  })
}
