/** The resources of a process, released in reverse order, each once. */
export interface Lifecycle {
  /** Registers how to release what was just acquired. */
  add(name: string, release: () => Promise<void> | void): void
  /** Releases everything; a release that fails is reported and does not stop the others. */
  releaseAll(): Promise<void>
}

export function createLifecycle(onError: (name: string, error: unknown) => void): Lifecycle {
  const held: { name: string; release: () => Promise<void> | void }[] = []
  let releasing: Promise<void> | null = null

  async function release(): Promise<void> {
    for (let resource = held.pop(); resource; resource = held.pop()) {
      try {
        await resource.release()
      } catch (error) {
        onError(resource.name, error)
      }
    }
  }

  return {
    add: (name, releaseOne) => {
      held.push({ name, release: releaseOne })
    },
    releaseAll: () => {
      releasing ??= release()
      return releasing
    },
  }
}
