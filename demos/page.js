// Runs in the page. TOLD holds what it says, in Korean and in English.
(() => {
  const said = TOLD;
  const english = location.pathname.replace(/\/$/, "").endsWith("/en") ? 1 : 0;
  document.documentElement.lang = ["ko", "en"][english];

  // A picture of kbert.explain sits in a frame that may do nothing but draw, and tells its height.
  addEventListener("message", event => {
    for (const frame of document.querySelectorAll("iframe.kbert-explain"))
      if (frame.contentWindow === event.source && Number.isFinite(event.data?.height))
        frame.style.height = `${Math.min(event.data.height, 6000)}px`, frame.dataset.drawn = "";
  });

  // What Gradio itself says of errors is English.
  const instead = [
    [/^Error$/, said.notice], [/busy|queue is full/i, said.busy],
    [/connection|could not|failed to fetch/i, said.connection_lost],
  ];
  const translate = toast => {
    for (const part of toast.querySelectorAll(".toast-title, .toast-text"))
      for (const [pattern, texts] of instead)
        if (pattern.test(part.textContent.trim()) && part.textContent !== texts[english])
          part.textContent = texts[english];
  };
  new MutationObserver(() => document.querySelectorAll(".toast-body").forEach(translate))
    .observe(document.documentElement, { childList: true, subtree: true });
})();
