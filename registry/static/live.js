// Replaces the page's content when the registry says that something changed. The pages work without it.
(() => {
  const source = document.body.dataset.live;
  if (!source || !window.EventSource) return;
  let timer = null;
  let selecting = false;
  document.addEventListener("selectionchange", () => {
    selecting = String(document.getSelection()).length > 0;
  });
  const refresh = async () => {
    timer = null;
    // Text that someone is about to copy, and pages nobody looks at, stay as they are.
    if (document.hidden || selecting) return;
    const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const name of ["main", "footer"]) {
      const fresh = page.querySelector(name);
      const present = document.querySelector(name);
      if (fresh && present) present.replaceWith(fresh);
    }
  };
  const stream = new EventSource(source);
  stream.addEventListener("change", () => {
    if (timer === null) timer = setTimeout(refresh, 500);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && timer === null) timer = setTimeout(refresh, 0);
  });
})();
