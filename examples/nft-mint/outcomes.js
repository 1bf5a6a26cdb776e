import { setTimeout as sleep } from 'node:timers/promises'
import { ConfirmdError } from 'confirmd/client'
import { KIND } from './attempts.js'

const POSITION_SETTING = 'feed position'
const PAUSE_MS = 1_000
/** Of HTTP: events after our position were pruned. */
const GONE = 410

/** Hears of every outcome, in order, also of those while we were away. */
export async function followOutcomes({ confirmd, orders, refresh, onChange, say }) {
  let isGone = false

  async function follow() {
    if (isGone) {
      await orders.set(POSITION_SETTING, 'newest')
      await refresh()
      isGone = false
    }
    const after = (await orders.setting(POSITION_SETTING)) ?? '0'
    for await (const event of confirmd.events({ after, kind: KIND })) {
      const { txHash, status } = event.data
      await orders.note(txHash, status)
      await orders.set(POSITION_SETTING, event.sequence)
      onChange()
    }
  }

  for (;;) {
    try {
      await follow()
    } catch (error) {
      isGone ||= error instanceof ConfirmdError && error.status === GONE
      say(`the feed is read again in 1 s: ${error.message}`)
      await sleep(PAUSE_MS)
    }
  }
}
