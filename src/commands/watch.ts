import { setTimeout as sleep } from 'node:timers/promises'
import { createFeed, EventsPrunedError } from '../flows/feed.ts'
import { messageOf, type Parts, SILENT_LOG, withParts } from './context.ts'
import { createDepths } from './depths.ts'
import { harmless, isTerminal, paint, print, printError } from './output.ts'
import { showOverview } from './overview-text.ts'
import { readOverview } from './status.ts'

const REDRAW_INTERVAL_MS = 1_000
const AGAIN_MS = 1_000
const PAGE_SIZE = 100
const WAIT_MS = 30_000

/** Without the cursor, and with long lines cut off instead of wrapped, which would move what is below. */
const PREPARE = '\u001b[?25l\u001b[?7l'
const RESTORE = '\u001b[?7h\u001b[?25h'
const CLEAR_SCREEN = '\u001b[2J'
const HOME = '\u001b[H'
const ERASE_TO_LINE_END = '\u001b[K'
const ERASE_BELOW = '\u001b[J'

/** On a terminal the status, drawn anew each second; elsewhere a line of JSON for each outcome as it is decided. */
export async function watch({ json }: { json?: boolean }): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  process.once('SIGTERM', () => stopping.abort())
  await withParts('watch', (parts) =>
    isTerminal() && !json ? watchScreen(parts, stopping.signal) : watchEvents(parts, stopping.signal),
  )
}

async function watchScreen(parts: Parts, signal: AbortSignal): Promise<void> {
  const depths = createDepths(parts)
  // Also where the end comes unforeseen.
  const restore = () => process.stdout.write(RESTORE)
  process.once('exit', restore)
  process.stdout.write(PREPARE + CLEAR_SCREEN)
  try {
    while (!signal.aborted) {
      draw(await readScreen(parts, depths))
      await sleep(REDRAW_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    print('')
    await depths.close()
  }
}

/** What is away is said, and asked again: a watch outlives a restart of the database. */
async function readScreen(parts: Parts, depths: ReturnType<typeof createDepths>): Promise<string> {
  try {
    return showOverview(await readOverview(parts, depths), depths.problem())
  } catch (error) {
    return paint('red', harmless(`${parts.where}: ${messageOf(error)}; trying again`))
  }
}

/** Over what was there, line by line, so that nothing flickers; the terminal's last line stays free. */
function draw(screen: string): void {
  const lines = screen.split('\n').slice(0, (process.stdout.rows ?? Number.POSITIVE_INFINITY) - 1)
  process.stdout.write(HOME + lines.map((line) => line + ERASE_TO_LINE_END).join('\n') + ERASE_BELOW)
}

async function watchEvents({ store, where }: Parts, signal: AbortSignal): Promise<void> {
  const feed = createFeed({ store, log: SILENT_LOG })
  let after = await feed.newest()
  let isFailing = false
  while (!signal.aborted) {
    try {
      const page = await feed.read({ after, limit: PAGE_SIZE }, WAIT_MS, signal)
      for (const event of page.events) print(JSON.stringify(event))
      after = page.next
      isFailing = false
    } catch (error) {
      if (error instanceof EventsPrunedError) throw error
      if (!isFailing) printError(`${where}: ${messageOf(error)}; trying again`)
      isFailing = true
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
