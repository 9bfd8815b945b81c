"""The app: `streamlit run app.py`."""

if __name__ == "__main__":  # a visitor's run
    from pruneattr_core.ui.opening import main

    main()
else:  # the server, once
    from pruneattr_core.heap import one_heap

    one_heap()  # threads that have begun keep heaps of their own

    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from pruneattr_core.ui.front import Front, lifespan

    app = App(__file__, middleware=[Middleware(Front)], lifespan=lifespan)
