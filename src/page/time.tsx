import { useNow } from './clock.ts'
import { duration } from './duration.ts'

const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** A time in the viewer's zone; today's without the date. */
export function Time({ at }: { readonly at: string }) {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date().toDateString()
  return (
    <time dateTime={at} title={at}>
      {(isToday ? TIME : DATE_AND_TIME).format(date)}
    </time>
  )
}

/** How long ago, or in how long. */
export function Ago({ at }: { readonly at: string }) {
  const now = useNow()
  const ms = now - Date.parse(at)
  return (
    <time dateTime={at} title={at}>
      {Math.abs(ms) < 1_000 ? 'now' : ms > 0 ? `${duration(whole(ms))} ago` : `in ${duration(whole(-ms))}`}
    </time>
  )
}

/** A second hand that shows tenths only makes restless. */
function whole(ms: number): number {
  return Math.round(ms / 1_000) * 1_000
}
