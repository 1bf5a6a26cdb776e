import { LOOKS_KEPT, type Look } from '../domain/look.ts'
import { wholeNumber } from './amount.ts'
import { DataTable } from './data-table.tsx'
import { duration } from './duration.ts'
import { OUTCOME_WORDS, retryWords, SIGHTING_WORDS } from './look-words.ts'
import { Time } from './time.tsx'

/** Each look at the chain, the newest first. */
export function LooksPanel({ looks }: { readonly looks: readonly Look[] }) {
  return (
    <section class="panel">
      <h2>Looks at the chain</h2>
      {looks.length >= LOOKS_KEPT && <p class="hint">The last {LOOKS_KEPT} are kept.</p>}
      <DataTable
        caption="Looks, the newest first"
        isCaptionHidden
        rows={looks.toReversed()}
        keyOf={({ at, saw }) => `${at} ${saw}`}
        empty="None yet."
        columns={[
          { header: 'When', cell: ({ at }) => <Time at={at} /> },
          {
            header: 'Saw',
            cell: ({ saw, blockNumber }) =>
              blockNumber === null
                ? SIGHTING_WORDS[saw]
                : `${SIGHTING_WORDS[saw]}, in block ${wholeNumber(blockNumber)}`,
          },
          {
            header: 'Node',
            cell: ({ nodes }) => (nodes.length === 0 ? 'none answered' : <code>{nodes.join(', ')}</code>),
          },
          {
            header: 'Its head',
            isNumber: true,
            cell: ({ headNumber }) => (headNumber === null ? null : wholeNumber(headNumber)),
          },
          { header: 'Then', cell: thenWhat },
        ]}
      />
    </section>
  )
}

function thenWhat({ outcome, reason, delayMs, error }: Look) {
  const why = outcome === 'waits' && reason !== null ? `: ${retryWords(reason)}` : ''
  const until = delayMs === null ? '' : `, next look after ${duration(delayMs)}`
  return (
    <>
      {OUTCOME_WORDS[outcome]}
      {why}
      {until}
      {error && <div class="said problem">{error}</div>}
    </>
  )
}
