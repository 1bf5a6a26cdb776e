import { ANNOUNCED_STATUSES } from '../domain/event.ts'
import type { Activity } from '../domain/overview.ts'
import { wholeNumber } from './amount.ts'
import { duration } from './duration.ts'
import { retryWords } from './look-words.ts'
import { type Minute, Plot, type Series } from './plot.tsx'
import { ProblemNote } from './problem-note.tsx'
import { useResource } from './resource.ts'
import { STATUS_WORDS } from './status-words.ts'

const POLL_MS = 10_000

import { WAIT_REASONS } from '../domain/look.ts'

const PERCENTILES = ['p50', 'p95', 'p99'] as const
const PERCENTILE_WORDS = {
  p50: 'half within (p50)',
  p95: '95% within (p95)',
  p99: '99% within (p99)',
} as const

const SETTLED_SERIES: readonly Series[] = ANNOUNCED_STATUSES.map((status) => ({
  key: status,
  label: STATUS_WORDS[status].label,
  colour: `of-${status}`,
}))
const RETRY_SERIES: readonly Series[] = WAIT_REASONS.map((reason, index) => ({
  key: reason,
  label: retryWords(reason),
  colour: `series-${index + 1}`,
}))
const LATENCY_SERIES: readonly Series[] = PERCENTILES.map((key, index) => ({
  key,
  label: PERCENTILE_WORDS[key],
  colour: `series-${index + 1}`,
}))

/** The last hour, minute by minute. */
export function ActivityPlots() {
  const { data, problem } = useResource<Activity>('v1/activity?minutes=60', {
    concerns: () => true,
    pollMs: POLL_MS,
  })
  if (!data) return problem ? <ProblemNote problem={problem} /> : <p class="hint">Asking confirmd…</p>
  const { minutes } = data
  const of = (pick: (minute: Activity['minutes'][number]) => Minute['values']): Minute[] =>
    minutes.map((minute) => ({ at: minute.at, values: pick(minute) }))
  return (
    <section aria-labelledby="hour">
      <h2 id="hour">The last hour</h2>
      <div class="plots">
        <Plot
          title="Settled, by status"
          kind="bars"
          unit="a minute; the sums are of the hour"
          series={SETTLED_SERIES}
          minutes={of(({ settled }) => settled)}
          format={wholeNumber}
        />
        <Plot
          title="Looked again, by reason"
          kind="bars"
          unit="a minute; the sums are of the hour"
          series={RETRY_SERIES}
          minutes={of(({ retries }) => retries)}
          format={wholeNumber}
        />
        <Plot
          title="From registration to verdict"
          kind="lines"
          unit="by minute; the newest is told"
          series={LATENCY_SERIES}
          minutes={of(({ latencyMs }) => latencyMs ?? {})}
          format={duration}
        />
      </div>
    </section>
  )
}
