import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { startRole } from '../../src/dev/role-process.ts'
import { createApiKey } from '../../src/http/api-key.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { STATUS_WORDS } from '../../src/page/status-words.ts'
import { describeWithChromium, startChromium } from '../support/chromium.ts'
import { status } from '../support/hook.ts'
import { createPageScene, type PageScene, SCENE_STATES } from '../support/page-scene.ts'
import { startPrefixProxy } from '../support/prefix-proxy.ts'
import { until } from '../support/until.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** A folder to put a picture of each page into, to be looked at. */
const PICTURES = process.env['PAGE_PICTURES']
const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 375, height: 800 }

/** The page asks for nothing again by itself: what it shows anew, the feed has told it of. */
const WITHOUT_POLLS = `
  const { setTimeout } = window
  window.setTimeout = (run, ms, ...given) => (ms >= 2000 ? 0 : setTimeout(run, ms, ...given))`

type OpenOptions = BrowserContextOptions & { readonly url?: string; readonly before?: string }

describeWithChromium('the page', () => {
  const lifecycle = createLifecycle((name, error) => {
    throw new Error(name, { cause: error })
  })
  let scene: PageScene
  let browser: Browser
  const contexts: BrowserContext[] = []
  /** What no page may do: ask another host, or say an error. */
  const offences: string[] = []

  beforeAll(async () => {
    browser = await startChromium()
    lifecycle.add('browser', () => browser.close())
    scene = await createPageScene(lifecycle)
  }, 120_000)
  afterEach(async () => {
    for (const each of contexts.splice(0)) await each.close()
    expect(offences.splice(0)).toEqual([])
  })
  afterAll(() => lifecycle.releaseAll())

  /** A page as a person opens it, with a browser of its own. */
  async function open(
    path = '',
    { url = `${scene.program.url}/`, before = '', ...options }: OpenOptions = {},
  ): Promise<Page> {
    const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-GB', ...options })
    contexts.push(context)
    const home = new URL(url).host
    context.on('request', (request) => {
      if (new URL(request.url()).host !== home) offences.push(`asked ${request.url()}`)
    })
    await context.addInitScript(before)
    const page = await context.newPage()
    page.on('pageerror', (error) => offences.push(`error in the page: ${error.message}`))
    page.on('console', (message) => {
      // That a request was refused or had no answer is said by the browser by itself.
      const isExpected = /Failed to load resource/.test(message.text())
      if (message.type() === 'error' && !isExpected) offences.push(`console: ${message.text()}`)
    })
    page.setDefaultTimeout(20_000)
    await page.goto(`${url}${path}`)
    await page.locator('h1').first().waitFor()
    return page
  }

  const badge = (page: Page) => page.locator('.verdict .badge')
  const rowOf = (page: Page, txHash: string) => page.locator(`tr:has(code[title="${txHash}"])`)
  const untilBadge = (page: Page, label: string) =>
    until(`it is ${label}`, async () => (await badge(page).innerText()) === label)

  function allPages(): string[] {
    const details = SCENE_STATES.map((state) => `#/transactions/${scene.told[state].id}`)
    const lists = ['#/transactions', '#/transactions?status=parked', '#/transactions?kind=none']
    return ['', ...lists, ...details, '#/webhooks', `#/webhooks/${scene.webhookId}`, '#/nothing']
  }

  /** Until nothing on it says that it still waits for its first answer. */
  async function answered(page: Page): Promise<void> {
    await until('the page has its answers', async () => {
      const text = await page.locator('main').innerText()
      return !/Asking (confirmd|the nodes)…/.test(text)
    })
  }

  it.each(SCENE_STATES)('what is %s is found by the filter, and explained in words', async (state) => {
    const { label, meaning, advice } = STATUS_WORDS[state]
    const { txHash } = scene.told[state]
    const page = await open('#/transactions')
    await page.getByLabel('Status').selectOption({ label })
    await rowOf(page, txHash).getByText(label).waitFor()
    for (const text of [meaning, advice]) await page.getByText(text).waitFor()
    expect(new Set(await page.locator('tbody .badge').allInnerTexts())).toEqual(new Set([label]))
    await rowOf(page, txHash).getByRole('link').click()
    await page.getByRole('heading', { name: 'Transaction', exact: true }).waitFor()
    await untilBadge(page, label)
    for (const text of [txHash, meaning, advice]) await page.getByText(text).first().waitFor()
    await page.getByRole('heading', { name: 'Looks at the chain' }).waitFor()
  })

  it('a transaction that failed says why, in words', async () => {
    const page = await open(`#/transactions/${scene.told.failed.id}`)
    for (const text of ['execution reverted', 'The contract itself refused', 'txError 0x9']) {
      await page.getByText(text).first().waitFor()
    }
  })

  it('gas and wei are shown exactly, and each time with the ISO time', async () => {
    const page = await open(`#/transactions/${scene.told.confirmed.id}`)
    await page.getByText('25 gwei (25,000,000,000 wei)').waitFor()
    await page.getByText('0.000525 KAIA (525,000,000,000,000 wei)').waitFor()
    const times = await page.locator('time').all()
    expect(times.length).toBeGreaterThan(3)
    for (const time of times) {
      const iso = await time.getAttribute('datetime')
      expect(iso).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      expect(await time.getAttribute('title')).toBe(iso)
    }
  })

  it('a transaction is found by its hash, however it is written, and by its id', async () => {
    const { txHash, id } = scene.told.failed
    const page = await open('#/transactions')
    const search = async (text: string) => {
      await page.getByLabel('Hash').fill(text)
      await page.getByRole('button', { name: 'Show' }).click()
    }
    await search('0x12')
    await page.getByText('A hash is 0x and 64 hexadecimal digits').waitFor()
    await search(` 0x${txHash.slice(2).toUpperCase()} `)
    await rowOf(page, txHash).waitFor()
    await until('it is alone', async () => (await page.locator('tbody tr').count()) === 1)
    await search(id)
    await untilBadge(page, 'Failed')
    expect(page.url()).toContain(`#/transactions/${id}`)
  })

  it('the filters are in the URL: they outlast a reload, and "back" undoes them', async () => {
    const { txHash } = scene.told.stalled
    const page = await open('#/transactions')
    await page.getByLabel('Status').selectOption('stalled')
    await page.waitForURL(/#\/transactions\?status=stalled$/)
    await page.getByLabel('Kind').fill('swap')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.waitForURL(/\?status=stalled&kind=swap$/)
    await page.reload()
    await rowOf(page, txHash).waitFor()
    expect(await page.getByLabel('Status').inputValue()).toBe('stalled')
    expect(await page.getByLabel('Kind').inputValue()).toBe('swap')
    await page.getByLabel('Kind').fill('nothing')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.getByText('There is none like that.').waitFor()
    await page.goBack()
    await rowOf(page, txHash).waitFor()
    await page.goBack()
    await page.waitForURL(/\?status=stalled$/)
    await until('the field is empty', async () => (await page.getByLabel('Kind').inputValue()) === '')
    await page.getByRole('link', { name: 'Clear' }).click()
    await page.waitForURL(/#\/transactions$/)
    await rowOf(page, scene.told.confirmed.txHash).waitFor()
  })

  it('the feed shows a transaction that settles, on its page and in the list, without a reload', async () => {
    const fresh = await scene.tell()
    const before = WITHOUT_POLLS
    const [one, list] = [
      await open(`#/transactions/${fresh.id}`, { before }),
      await open('#/transactions', { before }),
    ]
    for (const page of [one, list]) await page.evaluate('window.isTheSame = true')
    await untilBadge(one, 'Pending')
    await rowOf(list, fresh.txHash).getByText('Pending').waitFor()
    scene.world.node.include(fresh.txHash)
    await untilBadge(one, 'Confirmed')
    await one.getByText('It is now confirmed.').waitFor({ state: 'attached' })
    await rowOf(list, fresh.txHash).getByText('Confirmed').waitFor()
    for (const page of [one, list]) expect(await page.evaluate('window.isTheSame')).toBe(true)
  })

  it('the counts of the first page follow, and lead to what they count', async () => {
    const page = await open()
    const amount = page.locator('.count', { hasText: 'Stalled' }).locator('.amount')
    const before = Number(await amount.innerText())
    expect(before).toBeGreaterThan(0)
    const fresh = await scene.tell('swap')
    await scene.stall(fresh)
    await until('one more is stalled', async () => Number(await amount.innerText()) === before + 1)
    await page.locator('.counts').getByRole('link', { name: 'Stalled' }).click()
    await rowOf(page, fresh.txHash).waitFor()
  })

  it('a lost connection is said, and its return unsays it', async () => {
    const { key, entry } = createApiKey('page')
    const guarded = await startRole('api', { ...scene.world.environment, API_KEYS: entry })
    const proxy = await startPrefixProxy(guarded.url, '/ops')
    try {
      const page = await open('', { url: proxy.url })
      await page.getByLabel('API key').fill(key)
      await page.keyboard.press('Enter')
      await page.getByText('· live').waitFor()
      proxy.cut(true)
      await page.getByText('The connection to confirmd is lost').waitFor()
      if (PICTURES) await page.screenshot({ path: `${PICTURES}/lost.png` })
      proxy.cut(false)
      await page.getByText('· live').waitFor()
      expect(await page.getByText('The connection to confirmd is lost').count()).toBe(0)
    } finally {
      await proxy.stop()
      await guarded.stop()
    }
  })

  it('"Check again" has a stalled transaction looked at anew', async () => {
    const fresh = await scene.tell('swap')
    await scene.stall(fresh)
    const page = await open(`#/transactions/${fresh.id}`)
    await untilBadge(page, 'Stalled')
    await page.getByRole('button', { name: 'Check again' }).click()
    await page.getByText('The looks begin anew.').waitFor()
    await untilBadge(page, 'Pending')
  })

  it('"Check again" carries out a parked business write once it is mended', async () => {
    const parked = await scene.park()
    const page = await open(`#/transactions/${parked.id}`)
    await untilBadge(page, 'Parked')
    await page.getByText('refused by the test').first().waitFor()
    await page.getByRole('button', { name: 'Check again' }).click()
    await untilBadge(page, 'Confirmed')
    expect(await scene.world.db('orders').where({ transaction_id: parked.id })).toHaveLength(1)
  })

  it('a delivery that was given up is sent again from the webhook and from the transaction', async () => {
    const page = await open('#/webhooks')
    await page.getByRole('link', { name: scene.hook.url }).click()
    await page.getByText('Failing').waitFor()
    await page.getByLabel('State').selectOption({ label: 'Given up' })
    await page.waitForURL(/\?status=failed$/)
    await page.locator('tbody .badge', { hasText: 'Given up' }).first().waitFor()
    const button = page.getByRole('button', { name: /^Send again/ }).first()
    const one = page.getByLabel((await button.getAttribute('aria-label')) ?? '', { exact: true })
    scene.hook.answer = status(204)
    await one.click()
    await until('it is given up no more', async () => (await one.count()) === 0)

    await page.goto(`${scene.program.url}/#/transactions/${scene.told.failed.id}`)
    const delivery = page.locator('.event tbody tr').first()
    await delivery.getByRole('button', { name: /^Send again/ }).click()
    await delivery.getByText('Delivered').waitFor()
    scene.hook.answer = status(500)
  })

  it('a webhook is tested, switched off and on, and sent all that it missed', async () => {
    const page = await open(`#/webhooks/${scene.webhookId}`)
    scene.hook.answer = status(204)
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('A test is on its way.').waitFor()
    await until('it came', () => scene.hook.requests.some(({ event }) => event.type.includes('webhook.test')))
    await page.getByRole('button', { name: 'Switch off' }).click()
    await page.getByText('Switched off').first().waitFor()
    await page.getByRole('button', { name: 'Switch on' }).click()
    await page.getByRole('button', { name: 'Switch off' }).waitFor()
    await page.getByRole('button', { name: 'Send all again' }).click()
    await page.getByText(/deliver(y is|ies are) on (its|their) way/).waitFor()
    await page.getByLabel('State').selectOption({ label: 'Given up' })
    await page.getByText('There is none like that.').waitFor()
    scene.hook.answer = status(500)
  })

  it('every link leads somewhere', { timeout: 120_000 }, async () => {
    const page = await open()
    const seen = new Set<string>()
    const links = [page.url()]
    for (let link = links.pop(); link !== undefined; link = links.pop()) {
      if (seen.has(link)) continue
      seen.add(link)
      if (new URL(link).pathname !== '/') {
        expect((await fetch(link)).status, link).toBe(200)
        continue
      }
      await page.goto(link)
      await answered(page)
      expect(await page.locator('h1').innerText(), link).not.toBe('There is no such page')
      expect(await page.locator('.note.problem').allInnerTexts(), link).toEqual([])
      links.push(...(await page.evaluate<string[]>('[...document.links].map((each) => each.href)')))
    }
    expect(seen.size).toBeGreaterThan(15)
  })

  it('the key is asked for once, and only one that is accepted is taken', async () => {
    const { key, entry } = createApiKey('page')
    const guarded = await startRole('api', { ...scene.world.environment, API_KEYS: entry })
    try {
      const page = await open('#/transactions', { url: `${guarded.url}/` })
      await page.getByRole('heading', { name: 'A key is needed' }).waitFor()
      await page.getByLabel('API key').fill('wrong')
      await page.getByRole('button', { name: 'Use this key' }).click()
      await page.getByText('This key is not accepted.').waitFor()
      if (PICTURES) await page.screenshot({ path: `${PICTURES}/key.png` })
      await page.getByLabel('API key').fill(key)
      await page.keyboard.press('Enter')
      await rowOf(page, scene.told.confirmed.txHash).waitFor()
      await page.reload()
      await rowOf(page, scene.told.confirmed.txHash).waitFor()
      await page.getByRole('link', { name: 'Now' }).click()
      await page.getByText('· live').waitFor()
      await page.getByRole('button', { name: 'Forget the key' }).click()
      await page.getByRole('heading', { name: 'A key is needed' }).waitFor()
    } finally {
      await guarded.stop()
    }
  })

  it('whoever is not served is told why, and what to do about it', async () => {
    const proxy = await startPrefixProxy(scene.program.url, '/ops')
    try {
      const page = await open('', { url: proxy.url })
      await page
        .getByText(/Without API_KEYS only this machine is served.*confirmd key create/)
        .first()
        .waitFor()
      expect(await page.getByText('The connection to confirmd is lost').count()).toBe(0)
    } finally {
      await proxy.stop()
    }
  })

  it('works behind a path prefix of a reverse proxy, live too', async () => {
    const { key, entry } = createApiKey('page')
    const guarded = await startRole('api', { ...scene.world.environment, API_KEYS: entry })
    const proxy = await startPrefixProxy(guarded.url, '/ops/confirmd')
    try {
      const page = await open('', { url: proxy.url })
      await page.getByLabel('API key').fill(key)
      await page.getByRole('button', { name: 'Use this key' }).click()
      await page.getByText('· live').waitFor()
      const fresh = await scene.tell()
      await page.getByRole('link', { name: 'Transactions', exact: true }).click()
      await rowOf(page, fresh.txHash).getByRole('link').click()
      await untilBadge(page, 'Pending')
      scene.world.node.include(fresh.txHash)
      await untilBadge(page, 'Confirmed')
      expect(page.url()).toContain('/ops/confirmd/#/transactions/')
      await page.getByRole('link', { name: 'API', exact: true }).click()
      await page.locator('#operations-transactions-post_v1_transactions').waitFor()
      expect(proxy.missed).toEqual([])
    } finally {
      await proxy.stop()
      await guarded.stop()
    }
  })

  it('the keyboard reaches everything, in the order of the page', async () => {
    const page = await open('#/transactions?status=failed')
    await rowOf(page, scene.told.failed.txHash).waitFor()
    const focused = () =>
      page.evaluate<string>(
        `(() => { const e = document.activeElement; return e.id || (e.textContent || '').trim() })()`,
      )
    const order: string[] = []
    for (let step = 0; step < 12; step++) {
      await page.keyboard.press('Tab')
      order.push(await focused())
    }
    expect(order).toEqual([
      ...['Skip to the content', 'confirmd', 'Now', 'Transactions', 'Webhooks', 'API'],
      ...['hash', 'status', 'kind', 'Show', 'Clear'],
      expect.stringMatching(/^0x.{8}…/),
    ])
    await page.keyboard.press('Enter')
    await badge(page).waitFor()
    // As after any change of page: a screen reader begins at its heading.
    await until('the heading has the focus', async () => (await focused()) === 'Transaction')
    await page.goto(`${scene.program.url}/#/transactions`)
    await page.reload()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await focused()).toBe('main')
  })

  /** Opens all pages one after the other. */
  async function eachPage(
    options: OpenOptions,
    look: (page: Page, path: string) => Promise<void>,
  ): Promise<void> {
    const page = await open('', options)
    for (const path of allPages()) {
      await page.goto(`${scene.program.url}/${path}`)
      // Between two that differ behind the # only nothing is loaded.
      await page.reload()
      await answered(page)
      await look(page, path)
    }
  }

  it.each(['light', 'dark'] as const)(
    'axe finds nothing serious on any page, in %s',
    {
      timeout: 180_000,
    },
    async (colorScheme) => {
      await eachPage({ colorScheme }, async (page, path) => {
        for (const summary of await page.locator('summary').all()) await summary.click()
        await page.evaluate(AXE)
        const { violations } = await page.evaluate<AxeResults>('axe.run()')
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        const said = serious.map(({ id, nodes }) => [id, nodes.map((node) => node.failureSummary)])
        expect(said, path).toEqual([])
      })
    },
  )

  it.each([
    ['phone', PHONE],
    ['desktop', DESKTOP],
  ] as const)('nothing is wider than the screen of a %s', { timeout: 180_000 }, async (device, viewport) => {
    for (const colorScheme of PICTURES ? (['light', 'dark'] as const) : (['light'] as const)) {
      await eachPage({ viewport, colorScheme }, async (page, path) => {
        expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(viewport.width)
        if (!PICTURES) return
        const state = SCENE_STATES.find((each) => path.endsWith(scene.told[each].id))
        const name = state
          ? `transaction-${state}`
          : path
              .replace(/[^a-z]+/g, ' ')
              .trim()
              .slice(0, 30)
        const file = `${name.replaceAll(' ', '-') || 'now'}-${device}-${colorScheme}.png`
        await page.screenshot({ path: `${PICTURES}/${file}`, fullPage: true })
      })
    }
  })
})
