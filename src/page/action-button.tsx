import { useState } from 'preact/hooks'

interface Props {
  readonly label: string
  /** Resolves with what to say of it. */
  readonly act: () => Promise<string>
  /** For screen readers, where the label alone does not say of what. */
  readonly of?: string
  readonly isMain?: boolean
}

/** A button that says what came of it. */
export function ActionButton({ label, act, of, isMain }: Props) {
  const [isBusy, setIsBusy] = useState(false)
  const [said, setSaid] = useState<{ readonly text: string; readonly isProblem: boolean } | null>(null)

  async function run(): Promise<void> {
    setIsBusy(true)
    setSaid(null)
    try {
      setSaid({ text: await act(), isProblem: false })
    } catch (error) {
      setSaid({ text: (error as Error).message, isProblem: true })
    } finally {
      setIsBusy(false)
    }
  }

  return (
    <span class="action">
      <button
        type="button"
        class={isMain ? 'main' : ''}
        // Not `disabled`: that would take the focus away.
        aria-disabled={isBusy}
        aria-label={of && `${label}: ${of}`}
        onClick={() => {
          if (!isBusy) void run()
        }}
      >
        {label}
      </button>
      <span role="status" class={said?.isProblem ? 'said problem' : 'said'}>
        {said?.text}
      </span>
    </span>
  )
}
