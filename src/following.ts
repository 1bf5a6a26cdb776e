import { setTimeout as sleep } from 'node:timers/promises'
import { CannotFollowError, createFollower, type FollowDependencies } from './flows/follow.ts'
import { FOLLOW_POLICY } from './flows/follow-policy.ts'
import { repeat } from './repeat.ts'
import type { RunContext } from './runnable.ts'
import { lead } from './store/leadership.ts'

export type FollowingParts = Pick<FollowDependencies, 'store' | 'confirm' | 'blocks'> & {
  readonly observer: FollowDependencies['observer'] & {
    /** Whether this process follows the chain. */
    led(leads: boolean): void
  }
}

const LEAD_AGAIN_MS = 1_000
/** How long a process that can't follow leaves the lead to others, which try for it every second. */
const STAND_BACK_MS = 30_000

/** Follows the chain whenever this process leads all those that would. */
export function startFollowing(
  { config, log, lifecycle, followPolicy }: RunContext,
  { store, confirm, blocks, observer }: FollowingParts,
): void {
  const { chain, databaseUrl, databaseSchema } = config
  const policy = { ...FOLLOW_POLICY, ...followPolicy }
  const clock = () => new Date()
  const follower = createFollower({ chain, store, confirm, blocks, policy, observer, log, clock })

  async function followWhileLeading(led: AbortSignal): Promise<void> {
    observer.led(true)
    await follower.follow(led).finally(() => observer.led(false))
  }

  async function leadOrStandBack(signal: AbortSignal): Promise<void> {
    try {
      await lead(databaseUrl, `follow ${databaseSchema}.${chain}`, followWhileLeading, signal)
    } catch (error) {
      if (!(error instanceof CannotFollowError)) throw error
      log.error(
        { err: error, chain, standBackMs: STAND_BACK_MS },
        'the lead to follow the chain is given up, so that another worker can follow; this one tries again later. ' +
          'Meanwhile the queue settles what is checked. Check that this worker reaches its RPC_URLS',
      )
      await sleep(STAND_BACK_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  observer.led(false)
  const leading = repeat(leadOrStandBack, LEAD_AGAIN_MS, (error) =>
    log.warn({ err: error }, 'no lead to follow the chain; trying again'),
  )
  lifecycle.add('follower', async () => {
    await leading.stop()
    await follower.ended()
  })
}
