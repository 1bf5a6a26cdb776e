import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { createApi } from './api.ts'
import { ConnectionNote } from './connection-note.tsx'
import { KeyForm } from './key-form.tsx'
import { forgetKey, keepKey, readKey } from './key-store.ts'
import { ListPage } from './list-page.tsx'
import { createLive } from './live.ts'
import { NowPage } from './now-page.tsx'
import { linkTo, type Route, useRoute } from './route.ts'
import { ServerContext } from './server.ts'
import { TransactionPage } from './transaction-page.tsx'
import { WebhookPage } from './webhook-page.tsx'
import { WebhooksPage } from './webhooks-page.tsx'

const SECTIONS = [
  { name: 'Now', segment: '', link: linkTo([]) },
  { name: 'Transactions', segment: 'transactions', link: linkTo(['transactions']) },
  { name: 'Webhooks', segment: 'webhooks', link: linkTo(['webhooks']) },
] as const

export function App() {
  const [key, setKey] = useState(readKey)
  const [isKeyNeeded, setIsKeyNeeded] = useState(false)
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const server = useMemo(() => {
    const api = createApi(key, () => setIsKeyNeeded(true))
    return { api, live: createLive(api) }
  }, [key])
  useEffect(() => server.live.stop, [server])
  useFocusOnNewPage(route, main)

  const [section = '', id] = route.segments

  return (
    <ServerContext.Provider value={server}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header>
        <div class="bar">
          <a class="name" href={linkTo([])}>
            confirmd
          </a>
          <nav aria-label="Pages">
            <ul>
              {SECTIONS.map(({ name, segment, link }) => (
                <li key={name}>
                  <a href={link} aria-current={segment === section ? 'page' : undefined}>
                    {name}
                  </a>
                </li>
              ))}
              <li>
                <a href="docs/">API</a>
              </li>
            </ul>
          </nav>
          {key !== null && (
            <button
              type="button"
              class="small"
              onClick={() => {
                forgetKey()
                setKey(null)
              }}
            >
              Forget the key
            </button>
          )}
        </div>
      </header>
      {!isKeyNeeded && <ConnectionNote />}
      <main ref={main} id="main" tabIndex={-1}>
        {isKeyNeeded ? (
          <KeyForm
            wasRefused={key !== null}
            onKey={(given, options) => {
              keepKey(given, options)
              setKey(given)
              setIsKeyNeeded(false)
            }}
          />
        ) : (
          pageOf(section, id, route.query)
        )}
      </main>
    </ServerContext.Provider>
  )
}

function pageOf(section: string, id: string | undefined, query: URLSearchParams) {
  if (section === '') return <NowPage />
  if (section === 'transactions')
    return id ? <TransactionPage key={id} id={id} /> : <ListPage query={query} />
  if (section === 'webhooks') return id ? <WebhookPage key={id} id={id} query={query} /> : <WebhooksPage />
  return (
    <section class="panel">
      <h1 tabIndex={-1}>There is no such page</h1>
      <p>
        Go to <a href={linkTo([])}>the first page</a>.
      </p>
    </section>
  )
}

/** As a browser does it for a new page: the title, and the focus at its beginning. Not for a changed filter. */
function useFocusOnNewPage(route: Route, main: { readonly current: HTMLElement | null }): void {
  const path = route.segments.join('/')
  const isFirst = useRef(true)
  useEffect(() => {
    const heading = main.current?.querySelector('h1')
    document.title = `${heading?.textContent ?? 'confirmd'} · confirmd`
    if (!isFirst.current) {
      heading?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
    isFirst.current = false
  }, [path, main])
}
