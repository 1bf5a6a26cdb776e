import type { Diagnosis, Finding } from '../domain/diagnosis.ts'
import type { ShownStatus } from './answers.ts'
import { ProblemNote } from './problem-note.tsx'
import { useResource } from './resource.ts'
import { STATUS_WORDS } from './status-words.ts'
import { Time } from './time.tsx'

/** It asks the nodes: not too often. */
const POLL_MS = 15_000

const SEVERITY_WORDS: Readonly<Record<Finding['severity'], string>> = {
  fine: 'as it should be',
  waiting: 'goes on by itself',
  problem: 'somebody has to act',
}

interface Props {
  readonly id: string
  readonly status: ShownStatus
  /** Changes when it is to be asked again at once. */
  readonly stamp: string
}

export function DiagnosisPanel({ id, status, stamp }: Props) {
  return (
    <section class="panel" aria-labelledby="why">
      <h2 id="why">Why is it {STATUS_WORDS[status].label.toLowerCase()}?</h2>
      <Findings key={stamp} id={id} />
    </section>
  )
}

function Findings({ id }: { readonly id: string }) {
  const { data, problem, reload } = useResource<Diagnosis>(
    `v1/transactions/${encodeURIComponent(id)}/diagnosis`,
    {
      pollMs: POLL_MS,
    },
  )
  if (problem && !data) return <ProblemNote problem={problem} retry={reload} />
  if (!data) return <p class="hint">Asking the nodes…</p>
  return (
    <>
      <ul class="findings">
        {data.findings.map(({ code, severity, text, advice, details }) => (
          <li key={code} class={`is-${severity}`}>
            <p>
              <strong>{text}</strong> <span class="badge">{SEVERITY_WORDS[severity]}</span>
            </p>
            {advice && <p class="advice">{advice}</p>}
            <Details details={details} />
          </li>
        ))}
      </ul>
      <p class="hint">
        Asked <Time at={data.at} />
      </p>
    </>
  )
}

function Details({ details }: { readonly details: Finding['details'] }) {
  const entries = Object.entries(details)
  if (entries.length === 0) return null
  return (
    <details>
      <summary>Details</summary>
      <dl class="facts">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
