/** Work that is done one after the other in this process. */
export interface Turns {
  /** Runs the work when its turn comes; resolves with `null`, without having begun, if that takes longer than the limit. */
  take<T>(work: () => Promise<T>): Promise<T | null>
}

/** @param maxWaitMs how long to wait for a turn */
export function createTurns(maxWaitMs: number): Turns {
  let last: Promise<unknown> = Promise.resolve()

  return {
    take: (work) =>
      new Promise((resolve, reject) => {
        let hasGivenUp = false
        const timer = setTimeout(() => {
          hasGivenUp = true
          resolve(null)
        }, maxWaitMs)
        last = last.then(async () => {
          clearTimeout(timer)
          if (hasGivenUp) return
          await work().then(resolve, reject)
        })
      }),
  }
}
