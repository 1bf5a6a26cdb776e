import { useState } from 'preact/hooks'

const HEAD_CHARS = 10
const TAIL_CHARS = 6

export function ShortHash({ hash }: { readonly hash: string }) {
  return (
    <code title={hash}>
      {hash.slice(0, HEAD_CHARS)}…{hash.slice(-TAIL_CHARS)}
    </code>
  )
}

/** The whole of it, with a button to copy it where the browser allows that (https, or this machine). */
export function Copyable({ text, what }: { readonly text: string; readonly what: string }) {
  const [said, setSaid] = useState('')
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setSaid('copied'),
      () => setSaid('could not copy'),
    )
  return (
    <span class="copyable">
      <code>{text}</code>
      {'clipboard' in navigator && (
        <button type="button" class="small" onClick={() => void copy()} aria-label={`Copy ${what}`}>
          Copy
        </button>
      )}
      <span role="status" class="hint">
        {said}
      </span>
    </span>
  )
}
