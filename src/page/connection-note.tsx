import { useConnection } from './server.ts'

/** Always there, so that a screen reader hears its change. */
export function ConnectionNote() {
  const connection = useConnection()
  return (
    <div role="status" class={`connection is-${connection}`}>
      {connection === 'lost' &&
        'The connection to confirmd is lost; it is tried again. What you see may be old.'}
    </div>
  )
}
