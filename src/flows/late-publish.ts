import type { Log } from './ports.ts'

export interface LatePublish {
  /** Remembers a row whose check could not be published. */
  add(id: string): void
  /** Resolves when all that was added is noted. */
  drain(): Promise<void>
}

export interface LatePublishDependencies {
  /** Makes the rows overdue, so that the next sweep publishes their checks. */
  readonly markUnpublished: (ids: readonly string[]) => Promise<void>
  readonly log: Log
}

const COLLECT_MS = 200
/** What is more than this is left to the sweep's grace: a row that is not noted is late, not lost. */
const MAX_COLLECTED = 50_000

/** Notes failed publishes in the rows, many at once: when the broker is away, they come by the thousand. */
export function createLatePublish({ markUnpublished, log }: LatePublishDependencies): LatePublish {
  let collected: string[] = []
  let noting: Promise<void> | null = null

  async function note(): Promise<void> {
    while (collected.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, COLLECT_MS))
      const ids = collected
      collected = []
      try {
        await markUnpublished(ids)
        log.warn({ count: ids.length }, 'checks not published; the next sweep will publish them')
      } catch (error) {
        log.warn(
          { err: error, count: ids.length },
          'checks not published; a sweep after the grace will publish them',
        )
      }
    }
    noting = null
  }

  return {
    add: (id) => {
      if (collected.length < MAX_COLLECTED) collected.push(id)
      noting ??= note()
    },
    drain: async () => {
      await noting
    },
  }
}
