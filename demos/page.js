// Runs in the page. TOLD holds what it says, in Korean and in English.
(() => {
  const said = TOLD;
  const english = location.pathname.replace(/\/$/, "").endsWith("/en") ? 1 : 0;
  document.documentElement.lang = ["ko", "en"][english];

  // A picture of kbert.explain sits in a frame that may do nothing but draw, and tells its height.
  addEventListener("message", event => {
    for (const frame of document.querySelectorAll("iframe.kbert-explain"))
      if (frame.contentWindow === event.source && Number.isFinite(event.data?.height)) {
        frame.style.height = `${Math.min(event.data.height, 6000)}px`;
        frame.dataset.drawn = "";
      }
  });

  window.kbertShow = id => {
    const answer = document.getElementById(id);
    if (answer?.getBoundingClientRect().top > 0.7 * innerHeight)
      answer.scrollIntoView({ behavior: "smooth", block: "start" });
  };

  // What Gradio itself says of errors is English.
  const instead = [
    [/^Error$/, said.notice], [/currently busy|queue is full/i, said.busy],
    [/connection (errored|to the server)|could not|failed to fetch/i, said.connection_lost],
  ];
  const translate = () => {
    for (const toast of document.querySelectorAll(".toast-wrap")) {
      const walker = document.createTreeWalker(toast, NodeFilter.SHOW_TEXT);
      for (let text; text = walker.nextNode();)
        for (const [pattern, texts] of instead)
          if (pattern.test(text.data.trim())) text.data = texts[english];
    }
  };
  new MutationObserver(translate).observe(
    document.documentElement, { childList: true, characterData: true, subtree: true });
})();
