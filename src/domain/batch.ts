export interface BatchOptions<I, O> {
  /** Does the work of all items together; the outcomes are in their order. If it rejects, every item does. */
  readonly run: (items: readonly I[]) => Promise<readonly PromiseSettledResult<O>[]>
  /** Most items of one run; a function is asked before each. */
  readonly maxItems: number | (() => number)
  /** Most runs at once. What comes meanwhile is the next run's. */
  readonly maxRunning: number
  /** While `runs` of them began less than `ms` ago, what is less than a full run waits. Left out: never. */
  readonly patience?: { readonly runs: number; readonly ms: number }
}

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (value: O) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Takes items one by one and works on them together. An item alone is worked on in the same turn of the event
 * loop; under load the runs grow by themselves, because what arrives during a run waits for the next one.
 * There is no time to collect in: an item alone would pay for it.
 */
export function createBatch<I, O>({
  run,
  maxItems,
  maxRunning,
  patience,
}: BatchOptions<I, O>): (item: I) => Promise<O> {
  let waiting: Waiting<I, O>[] = []
  let running = 0
  let young = 0
  let scheduled = false

  function limit(): number {
    return typeof maxItems === 'number' ? maxItems : maxItems()
  }

  function schedule(): void {
    if (scheduled || running >= maxRunning || waiting.length === 0) return
    if (patience && young >= patience.runs && waiting.length < limit()) return
    scheduled = true
    // After everything that is readable now was read: what arrived together goes together.
    setImmediate(() => {
      scheduled = false
      do start()
      while (running < maxRunning && waiting.length >= limit())
      schedule()
    })
  }

  function start(): void {
    const size = limit()
    const taken = waiting.slice(0, size)
    waiting = waiting.slice(size)
    running += 1
    const grow = patience && beYoung(patience.ms)
    void work(taken).finally(() => {
      running -= 1
      grow?.()
      schedule()
    })
  }

  /** Counts a run as young for so long, or until it is told that the run has ended. */
  function beYoung(ms: number): () => void {
    young += 1
    const timer = setTimeout(() => {
      grow()
      schedule()
    }, ms)
    let isYoung = true
    function grow(): void {
      clearTimeout(timer)
      if (isYoung) young -= 1
      isYoung = false
    }
    return grow
  }

  async function work(taken: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const outcomes = await run(taken.map(({ item }) => item))
      for (const [index, { resolve, reject }] of taken.entries()) {
        const outcome = outcomes[index]
        if (outcome?.status === 'fulfilled') resolve(outcome.value)
        else reject(outcome ? outcome.reason : new Error('the batch has no outcome for this item'))
      }
    } catch (error) {
      for (const { reject } of taken) reject(error)
    }
  }

  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      schedule()
    })
}

export function fulfilled<O>(value: O): PromiseFulfilledResult<O> {
  return { status: 'fulfilled', value }
}

export function rejected(reason: unknown): PromiseRejectedResult {
  return { status: 'rejected', reason }
}
