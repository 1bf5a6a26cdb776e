import type { ApiProblem } from './api.ts'

/** Says what went wrong with a request, and what to try. */
export function ProblemNote({
  problem,
  retry,
}: {
  readonly problem: ApiProblem
  readonly retry?: () => void
}) {
  return (
    <div class="note problem" role="alert">
      <p>{sentence(problem)}</p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

function sentence({ status, message }: ApiProblem): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  if (status === 0) return `${text}. It is asked again by itself.`
  return `${text.replace(/\.$/, '')}.`
}
