import { type Browser, chromium } from 'playwright-core'
import { describe, inject } from 'vitest'

/** Where Chromium is missing these are not run; TEST_REQUIRE_CHROMIUM forbids that. */
export const describeWithChromium = describe.runIf(inject('chromium') !== null)

/** Quiet: it asks nobody but the page under test. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
]

/** A browser with a profile of its own, which it leaves no trace of. */
export async function startChromium(): Promise<Browser> {
  const executablePath = inject('chromium')
  if (executablePath === null) throw new Error('this test needs Chromium; put it under describeWithChromium')
  return chromium.launch({ executablePath, args: FLAGS, headless: true })
}
