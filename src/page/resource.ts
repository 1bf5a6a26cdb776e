import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiProblem } from './api.ts'
import { type Concerns, useServer } from './server.ts'

export interface Resource<T> {
  /** The last good answer; null before the first. */
  readonly data: T | null
  /** Why the last request gave none. */
  readonly problem: ApiProblem | null
  reload(): void
}

export interface ResourceOptions {
  /** Which events change it; none if left out. */
  readonly concerns?: Concerns
  /** What changes without an event is asked for again that often. 0: never. */
  readonly pollMs?: number
}

/** Events come in hundreds: one request for all of a moment. */
const GATHER_MS = 150
const LEAST_GAP_MS = 1_000

const NOTHING = { data: null, problem: null }

/** What the API says at a path, kept up to date while it is shown. Null: nothing is asked. */
export function useResource<T>(
  path: string | null,
  { concerns, pollMs = 0 }: ResourceOptions = {},
): Resource<T> {
  const { api, live } = useServer()
  const [state, setState] = useState<{ path: string | null; data: T | null; problem: ApiProblem | null }>({
    path,
    ...NOTHING,
  })
  const reload = useRef<() => void>(() => undefined)
  const concernsNow = useRef(concerns)
  concernsNow.current = concerns

  useEffect(() => {
    if (path === null) return
    const ended = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let dueAt = Number.POSITIVE_INFINITY
    let lastAt = 0
    let isAsking = false
    let isAskedAgain = false

    function schedule(inMs: number): void {
      const at = Math.max(Date.now() + inMs, lastAt + LEAST_GAP_MS)
      if (at >= dueAt || ended.signal.aborted) return
      clearTimeout(timer)
      dueAt = at
      timer = setTimeout(() => void ask(), at - Date.now())
    }

    async function ask(): Promise<void> {
      dueAt = Number.POSITIVE_INFINITY
      if (isAsking) {
        isAskedAgain = true
        return
      }
      isAsking = true
      lastAt = Date.now()
      try {
        const data = await api.get<T>(path ?? '', ended.signal)
        if (!ended.signal.aborted) setState({ path, data, problem: null })
      } catch (error) {
        if (ended.signal.aborted) return
        const problem = error instanceof ApiProblem ? error : new ApiProblem(0, String(error))
        setState((before) => ({ path, data: before.path === path ? before.data : null, problem }))
      } finally {
        isAsking = false
        if (isAskedAgain) schedule(0)
        isAskedAgain = false
        if (pollMs > 0 && !document.hidden) schedule(pollMs)
      }
    }

    reload.current = () => {
      lastAt = 0
      schedule(0)
    }
    const unlisten = live.listen((event) => {
      if (event === null || concernsNow.current?.(event)) schedule(GATHER_MS)
    })
    void ask()
    return () => {
      ended.abort()
      clearTimeout(timer)
      unlisten()
    }
  }, [api, live, path, pollMs])

  const { data, problem } = state.path === path ? state : NOTHING
  return { data, problem, reload: () => reload.current() }
}
