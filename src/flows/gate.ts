/** Lets work run side by side, or some of it alone. */
export interface Gate {
  /** Runs beside other shared work, but not while exclusive work runs or waits. */
  shared<T>(work: () => Promise<T>): Promise<T>
  /** Runs with nothing beside it. */
  exclusive<T>(work: () => Promise<T>): Promise<T>
}

export function createGate(): Gate {
  const running = new Set<Promise<unknown>>()
  let exclusiveWaiting = 0
  let lastExclusive: Promise<unknown> = Promise.resolve()

  return {
    shared: async (work) => {
      while (exclusiveWaiting > 0) await lastExclusive
      const result = work()
      running.add(result)
      try {
        return await result
      } finally {
        running.delete(result)
      }
    },
    exclusive: (work) => {
      exclusiveWaiting += 1
      const turn = lastExclusive.then(async () => {
        await Promise.allSettled(running)
        return work()
      })
      lastExclusive = turn
        .catch(() => undefined)
        .finally(() => {
          exclusiveWaiting -= 1
        })
      return turn
    },
  }
}
