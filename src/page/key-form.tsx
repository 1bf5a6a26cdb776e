import { useRef, useState } from 'preact/hooks'
import { ApiProblem, createApi } from './api.ts'

const UNAUTHORIZED = 401

interface Props {
  /** Whether a key was there, and is not accepted any more. */
  readonly wasRefused: boolean
  readonly onKey: (key: string, options: { readonly forLong: boolean }) => void
}

/** Asks for the key once, and takes only one that works. */
export function KeyForm({ wasRefused, onKey }: Props) {
  const [problem, setProblem] = useState(
    wasRefused ? 'The key that was used here is not accepted any more.' : '',
  )
  const field = useRef<HTMLInputElement>(null)
  const keep = useRef<HTMLInputElement>(null)

  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    const key = field.current?.value.trim() ?? ''
    setProblem('')
    try {
      await createApi(key, () => undefined).get('v1/transactions?limit=1')
      onKey(key, { forLong: keep.current?.checked ?? false })
    } catch (error) {
      const isRefused = error instanceof ApiProblem && error.status === UNAUTHORIZED
      setProblem(isRefused ? 'This key is not accepted.' : (error as Error).message)
      field.current?.focus()
    }
  }

  return (
    <section class="panel key-form">
      <h1 tabIndex={-1}>A key is needed</h1>
      <p>
        This confirmd serves only who has one of its API keys. Whoever runs it makes one with{' '}
        <code>confirmd key create</code>.
      </p>
      <form onSubmit={(event) => void submit(event)}>
        <label for="key">API key</label>
        <input
          ref={field}
          id="key"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="key-problem"
          aria-invalid={problem !== ''}
        />
        <p id="key-problem" role="alert" class="said problem">
          {problem}
        </p>
        <label class="check">
          <input ref={keep} type="checkbox" /> Keep it in this browser, not only in this tab
        </label>
        <button type="submit" class="main">
          Use this key
        </button>
      </form>
    </section>
  )
}
