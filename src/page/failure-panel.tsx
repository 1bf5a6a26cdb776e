import type { TransactionView } from '../domain/transaction-view.ts'
import { failureMeaning } from './failure-words.ts'

export function FailurePanel({ failure }: { readonly failure: NonNullable<TransactionView['failure']> }) {
  const { code, name } = failure
  return (
    <section class="panel">
      <h2>Why it failed</h2>
      <p>
        <strong>{name}</strong>
        {code !== null && (
          <>
            {' '}
            (<code>txError {code}</code>)
          </>
        )}
      </p>
      <p>{failureMeaning(code)}</p>
    </section>
  )
}
